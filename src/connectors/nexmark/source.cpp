#include "connectors/nexmark/source.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "connectors/nexmark/decoder.h"

namespace millrace::connectors::nexmark {
namespace {

class NexmarkSource final : public RecordSource {
 public:
  explicit NexmarkSource(Lines lines) : lines_(std::move(lines)) {}

  Result<RecordChunk> read(size_t bytes_wanted) override {
    RecordChunk chunk;
    position_ += text_.size();
    chunk.first_position = position_;
    lines_.next(bytes_wanted, text_);
    chunk.end = text_.empty();
    for (size_t at = 0; at < text_.size();) {
      const size_t end = text_.find('\n', at);
      chunk.records.push_back(std::string_view(text_).substr(at, end - at));
      at = end + 1;
    }
    return chunk;
  }

  uint64_t total_bytes() const override { return 0; }

 private:
  Lines lines_;
  std::string text_;
  uint64_t position_ = 0;  ///< of text_
};

class RecordsOfNexmark final : public RecordSource {
 public:
  RecordsOfNexmark(const Options& options, Generator generator, Form form, uint64_t events)
      : options_(options), generator_(std::move(generator)), form_(form), events_(events) {}

  Result<RecordChunk> read(size_t bytes_wanted) override {
    RecordChunk chunk;
    chunk.first_position = position_;
    bytes_.clear();
    for (; number_ < events_ && bytes_.size() < bytes_wanted; ++number_) {
      const uint64_t id = generator_.id_at(number_);
      if (has(form_, Generator::type_of(id))) append_record(options_, id, bytes_);
    }
    position_ += bytes_.size();
    chunk.end = bytes_.empty();
    for (size_t at = 0; at < bytes_.size(); at += kRecordBytes)
      chunk.records.push_back(std::string_view(bytes_).substr(at, kRecordBytes));
    return chunk;
  }

  uint64_t total_bytes() const override { return 0; }

 private:
  const Options options_;
  const Generator generator_;
  const Form form_;
  const uint64_t events_;
  uint64_t number_ = 0;
  uint64_t position_ = 0;
  std::string bytes_;
};

sql::OptionSpec integer(std::string name, std::string default_text, int64_t minimum, std::string doc) {
  sql::OptionSpec spec{std::move(name), sql::OptionKind::kInteger, std::move(default_text), std::move(doc)};
  spec.minimum = minimum;
  return spec;
}

}  // namespace

sql::OptionGroup option_group() {
  sql::OptionGroup group{"nexmark", "generated events of the Nexmark benchmark", true, false};
  group.default_format = "json";
  sql::OptionSpec type{"type", sql::OptionKind::kEnum, "all", "which events: all in one stream, or one type"};
  type.choices = {"all", "person", "auction", "bid"};
  group.source_options = {
      std::move(type),
      integer("events", "1000000", 0, "of all types together; of 50, 1 is a person, 3 are auctions, 46 bids"),
      integer("rate", "10000", 1, "events a second of event time"),
      integer("seed", "1", 0, "equal seeds give equal events"),
      {"base_time", sql::OptionKind::kText, "2015-07-15T00:00:00Z", "the time of the first event"},
      integer("group_size", "1", 1, "so many events in a row come out of order among each other"),
  };
  return group;
}

Result<Form> parse_form(std::string_view text) {
  if (text == "all") return Form::kAll;
  if (text == "person") return Form::kPerson;
  if (text == "auction") return Form::kAuction;
  if (text == "bid") return Form::kBid;
  return user_error(sqlstate::kInvalidParameter, "the type is all, person, auction or bid: " + std::string(text));
}

void Lines::next(size_t bytes_wanted, std::string& text) {
  text.resize(bytes_wanted + kLineMax);
  char* at = text.data();
  const char* enough = at + bytes_wanted;
  for (; number_ < events_ && at < enough; ++number_) {
    const uint64_t id = generator_.id_at(number_);
    if (!has(form_, Generator::type_of(id))) continue;
    at = write_event(generator_, id, form_, at);
    ++lines_;
  }
  text.resize(static_cast<size_t>(at - text.data()));
}

Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup) {
  Options options;
  options.seed = static_cast<uint64_t>(setup.options.integer("seed"));
  options.rate = static_cast<uint64_t>(setup.options.integer("rate"));
  options.group = static_cast<uint64_t>(setup.options.integer("group_size"));
  MR_ASSIGN(options.base_time, parse_iso8601(setup.options.text("base_time")));
  MR_ASSIGN(Form form, parse_form(setup.options.text("type")));
  MR_ASSIGN(Generator generator, Generator::create(options));
  const auto events = static_cast<uint64_t>(setup.options.integer("events"));
  if (setup.format == "nexmark")
    return std::unique_ptr<RecordSource>(
        std::make_unique<RecordsOfNexmark>(options, std::move(generator), form, events));
  Lines lines(std::move(generator), form, events);
  return std::unique_ptr<RecordSource>(std::make_unique<NexmarkSource>(std::move(lines)));
}

}  // namespace millrace::connectors::nexmark
