#include "history.h"

#include <algorithm>

namespace millrace::test {
namespace {

constexpr uint32_t kWorkersMax = 4;

/// Adds to a history, and knows which rows are there.
class Writer {
 public:
  Writer(History& history, Random& random) : history_(history), random_(random), present_(history.tables.size()) {}

  void insert(Step& step, uint32_t table) {
    // Now and then a row with the id of another one.
    const int64_t id = random_() % 10 == 0 ? 1 : next_id_++;
    add(step, table, random_row(history_.tables[table], random_, id));
  }
  void erase(Step& step, uint32_t table) {
    std::vector<uint32_t>& rows = present_[table];
    const size_t at = random_() % rows.size();
    step.changes.push_back({rows[at], -1});
    rows.erase(rows.begin() + static_cast<int64_t>(at));
  }
  /// The same id with other values, or with one of them changed.
  void update(Step& step, uint32_t table) {
    erase(step, table);
    Row row = history_.rows[step.changes.back().row].row;
    Row other = random_row(history_.tables[table], random_, 0);
    other[0] = row[0];
    if (random_() % 2 == 0) {
      const size_t column = 1 + random_() % (row.size() - 1);
      std::swap(row[column], other[column]);
      std::swap(row, other);
    }
    add(step, table, std::move(other));
  }
  bool can_erase(uint32_t table) const { return !history_.tables[table].append_only && !present_[table].empty(); }

 private:
  void add(Step& step, uint32_t table, Row row) {
    const auto index = static_cast<uint32_t>(history_.rows.size());
    history_.rows.push_back({table, std::move(row)});
    present_[table].push_back(index);
    step.changes.push_back({index, 1});
  }

  History& history_;
  Random& random_;
  std::vector<std::vector<uint32_t>> present_;
  int64_t next_id_ = 1;
};

}  // namespace

size_t History::changes() const {
  size_t count = 0;
  for (const Step& step : steps) count += step.changes.size();
  return count;
}

void History::normalize() {
  std::vector<bool> there(rows.size(), false);
  for (Step& step : steps) {
    std::erase_if(step.changes, [&](const Change& change) {
      if (there[change.row] == (change.diff > 0)) return true;
      there[change.row] = change.diff > 0;
      return false;
    });
  }
  for (size_t i = 1; i < steps.size(); ++i) {
    if (!steps[i].restart) steps[i].workers = steps[i - 1].workers;
  }
}

std::string History::text() const {
  std::string text;
  for (const Table& table : tables) {
    text += table.append_only ? "append-only " : "";
    text += table.name + " (";
    for (size_t i = 0; i < table.schema.size(); ++i)
      text += (i == 0 ? "" : ", ") + table.schema[i].name + " " + table.schema[i].type.name();
    text += ")\n";
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    text += "step " + std::to_string(i) + " on " + std::to_string(steps[i].workers) + " workers" +
            (steps[i].restart ? " after a restart" : "") + "\n";
    for (const Change& change : steps[i].changes) {
      const OneRow& row = rows[change.row];
      const Table& table = tables[row.table];
      text += std::string(change.diff > 0 ? "  + " : "  - ") + table.name + " " + literal(table, row.row) + "\n";
    }
  }
  return text;
}

History random_history(Random& random) {
  History history;
  history.tables = random_tables(random);
  Writer writer(history, random);
  const size_t steps = 3 + random() % 6;
  uint32_t workers = 1 + random() % kWorkersMax;
  for (size_t i = 0; i < steps; ++i) {
    Step step;
    step.restart = i > 0 && random() % 4 == 0;
    if (step.restart) workers = 1 + random() % kWorkersMax;
    step.workers = workers;
    step.batch_seed = random();
    const bool last = i + 1 == steps;
    for (uint32_t table = 0; table < history.tables.size(); ++table) {
      while (last && writer.can_erase(table)) writer.erase(step, table);
      for (size_t count = i == 0 || last ? 0 : random() % 60; count > 0; --count) {
        const size_t action = writer.can_erase(table) ? random() % 6 : 5;
        if (action == 0) writer.erase(step, table);
        if (action == 1) writer.update(step, table);
        if (action > 1) writer.insert(step, table);
      }
    }
    history.steps.push_back(std::move(step));
  }
  return history;
}

}  // namespace millrace::test
