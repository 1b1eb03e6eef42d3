// Events of Nexmark straight into the columns of a batch, without text in between.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "batch/batch.h"
#include "connectors/nexmark/event_json.h"

namespace millrace::connectors::nexmark {

/// The columns that write_event's members make, in its order. Of Form::kAll: event_type, person, auction and bid as
/// STRUCTs, dateTime.
batch::Schema schema_of(Form form);

/// Which columns of a schema an event fills: any of schema_of(form), for any forms, under their names and with their
/// types, in any order. An event leaves columns that it does not have NULL. Const after construction.
class EventColumns {
 public:
  static Result<EventColumns> of(const batch::Schema& schema);

 private:
  friend class EventWriter;
  static constexpr size_t kFieldsMax = 10;
  struct OfType {
    std::array<int, kFieldsMax> flat;  ///< the column of each field, or -1
    int structure = -1;                ///< the STRUCT column that holds them all, or -1
    std::vector<uint32_t> absent;      ///< columns that are NULL
  };
  std::array<OfType, 3> types_;
  int event_type_ = -1;
};

/// Writes into rows of one batch, whose columns from 0 on are those of the schema. Texts point into the generator: the
/// batch must keep it alive (Batch::retain).
class EventWriter {
 public:
  EventWriter(const EventColumns& columns, batch::Batch& batch);
  void put(const Generator& generator, uint64_t id, size_t row);

 private:
  using Column = std::optional<batch::MutableColumn>;
  using Fields = std::array<Column, EventColumns::kFieldsMax>;
  struct OfType {
    Fields flat;
    Fields structure;
    bool has_flat = false;
    bool has_structure = false;
    std::vector<batch::MutableColumn> absent;
  };
  std::array<OfType, 3> types_;
  Column event_type_;
  Scratch scratch_;
};

/// Batches of the events of a run. One thread at a time.
class RowWriter {
 public:
  RowWriter(std::shared_ptr<const Generator> generator, Form form);

  const batch::Schema& schema() const { return schema_; }
  /// A batch with the rows of the events with the numbers from `first` on, up to a full batch or to before `end`;
  /// `first` becomes the number behind the last of them. It is empty only when there is none. It keeps the generator.
  batch::Batch next(uint64_t& first, uint64_t end);

 private:
  const std::shared_ptr<const Generator> generator_;  // shared: with the batches
  const Form form_;
  const batch::Schema schema_;
  const EventColumns columns_;
};

}  // namespace millrace::connectors::nexmark
