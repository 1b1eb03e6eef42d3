#include "connectors/blackhole/sink.h"

#include <utility>

namespace millrace::connectors::blackhole {
namespace {

class BlackholeSink final : public Sink {
 public:
  explicit BlackholeSink(batch::Schema schema) : schema_(std::move(schema)) {}

  Result<int64_t> open() override { return next_; }
  Status write(const batch::Batch&, int64_t next_offset) override {
    next_ = next_offset;
    waiting_ = true;
    return {};
  }
  Status commit() override {
    waiting_ = false;
    return {};
  }
  bool wants_commit(Timestamp) const override { return waiting_; }
  Status replace(const SnapshotReader& rows, uint64_t epoch) override {
    batch::Batch batch(schema_);
    do {
      batch.reset();
      MR_TRY(rows(batch));
    } while (!batch.empty());
    epoch_ = epoch;
    return {};
  }
  Result<uint64_t> snapshot_epoch() override { return epoch_; }

 private:
  const batch::Schema schema_;
  int64_t next_ = 0;
  uint64_t epoch_ = 0;
  bool waiting_ = false;  ///< something was written since the last commit
};

}  // namespace

sql::OptionGroup option_group() { return {"blackhole", "takes all rows and keeps none, for measuring", false, true}; }

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup) {
  return std::unique_ptr<Sink>(std::make_unique<BlackholeSink>(setup.schema));
}

}  // namespace millrace::connectors::blackhole
