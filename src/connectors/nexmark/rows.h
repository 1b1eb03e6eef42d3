// Events of Nexmark straight into the columns of a batch, without text in between: for benchmarks and tests.
#pragma once

#include <memory>
#include <vector>

#include "batch/batch.h"
#include "connectors/nexmark/event_json.h"

namespace millrace::connectors::nexmark {

/// The columns that write_event's members make, in its order. Of Form::kAll: event_type, person, auction and bid as
/// STRUCTs, dateTime.
batch::Schema schema_of(Form form);

/// One thread at a time. Texts of batches point into the generator, which they keep alive.
class RowWriter {
 public:
  RowWriter(std::shared_ptr<const Generator> generator, Form form);

  const batch::Schema& schema() const { return schema_; }
  /// A batch with the rows of the events with the numbers from `first` on, up to a full batch or to before `end`, and
  /// the number behind the last of them. Rows is 0 only when there is none.
  batch::Batch next(uint64_t& first, uint64_t end);

 private:
  const std::shared_ptr<const Generator> generator_;  // shared: with the batches
  const Form form_;
  const batch::Schema schema_;
};

}  // namespace millrace::connectors::nexmark
