// What happens to the relations in one run of a property test, written down before it runs: so a run repeats, and a
// failing one can be made smaller (shrink.h).
#pragma once

#include "rows.h"

namespace millrace::test {

/// A row that comes or goes. Both name it by its place in History::rows.
struct Change {
  uint32_t row = 0;
  int64_t diff = 1;
};

struct Step {
  std::vector<Change> changes;
  uint32_t workers = 1;
  bool restart = false;    ///< before the step: a new graph with the state of the old one
  uint64_t batch_seed = 0; ///< cuts the changes into batches; 0: as few as can be
};

struct History {
  struct OneRow {
    uint32_t table;
    Row row;
  };
  std::vector<Table> tables;
  std::vector<OneRow> rows;
  std::vector<Step> steps;

  size_t changes() const;
  /// Without the deletes of rows that are not there; the number of workers changes at restarts alone.
  void normalize();
  /// Step after step, as SQL.
  std::string text() const;
};

/// The first step finds nothing; the last one takes away all that can go. Between them come inserts, deletes, updates,
/// restarts, one to four workers.
History random_history(Random& random);

}  // namespace millrace::test
