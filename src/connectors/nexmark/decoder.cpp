#include "connectors/nexmark/decoder.h"

#include <bit>
#include <cstring>
#include <utility>

#include "connectors/nexmark/rows.h"

namespace millrace::connectors::nexmark {
namespace {

static_assert(std::endian::native == std::endian::little);

struct Run {
  uint64_t seed = 0;
  uint64_t rate = 0;
  int64_t base_micros = 0;
  bool operator==(const Run&) const = default;
};

class NexmarkDecoder final : public formats::Decoder {
 public:
  explicit NexmarkDecoder(EventColumns columns) : columns_(std::move(columns)) {}

  Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                std::vector<formats::DecodeError>& errors) override {
    EventWriter writer(columns_, out);
    kept_ = false;
    size_t row = out.rows();
    for (uint32_t i = 0; i < records.size(); ++i) {
      Run run;
      uint64_t id = 0;
      if (records[i].size() != kRecordBytes) {
        errors.push_back({i, "expected the 32 bytes of an event of the generator"});
        continue;
      }
      std::memcpy(&id, records[i].data(), sizeof id);
      std::memcpy(&run, records[i].data() + sizeof id, sizeof run);
      if ((!generator_ || !(run == run_)) && !begin(run)) {
        errors.push_back({i, "the event has no rate"});
        continue;
      }
      if (!std::exchange(kept_, true)) out.retain(generator_);
      writer.put(*generator_, id, row++);
      decoded.push_back(i);
    }
    out.set_rows(row);
    return {};
  }

 private:
  bool begin(const Run& run) {
    auto made = Generator::create({run.seed, run.rate, Timestamp{run.base_micros}, 1});
    if (!made.ok()) return false;
    generator_ = std::make_shared<const Generator>(std::move(made).value());
    run_ = run;
    kept_ = false;
    return true;
  }

  const EventColumns columns_;
  Run run_;
  std::shared_ptr<const Generator> generator_;  // shared: with the batches whose texts lie in it
  bool kept_ = false;                           // the batch that is filled keeps generator_
};

}  // namespace

void append_record(const Options& options, uint64_t id, std::string& out) {
  const Run run{options.seed, options.rate, options.base_time.micros};
  out.append(reinterpret_cast<const char*>(&id), sizeof id);
  out.append(reinterpret_cast<const char*>(&run), sizeof run);
}

Result<std::unique_ptr<formats::Decoder>> make_decoder(const batch::Schema& schema) {
  MR_ASSIGN(EventColumns columns, EventColumns::of(schema));
  return std::unique_ptr<formats::Decoder>(std::make_unique<NexmarkDecoder>(std::move(columns)));
}

}  // namespace millrace::connectors::nexmark
