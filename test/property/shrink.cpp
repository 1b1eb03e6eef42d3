#include "shrink.h"

#include <algorithm>
#include <map>

namespace millrace::test {
namespace {

/// Rows of `t` under the names and types of a query's columns.
std::string plain_rows(const std::vector<Column>& columns) {
  static const std::map<char, std::vector<std::string>> kColumns = {
      {'i', {"k", "x", "id"}}, {'s', {"g"}}, {'l', {"l"}}, {'d', {"d"}}, {'m', {"m"}}, {'t', {"ts"}}, {'b', {"b"}}};
  std::map<char, size_t> taken;
  std::string text;
  for (const Column& column : columns) {
    const auto& choices = kColumns.at(column.type);
    text += (text.empty() ? "SELECT " : ", ") + choices[taken[column.type]++ % choices.size()] + " AS " + column.name;
  }
  return text + " FROM t";
}

class Shrinker {
 public:
  Shrinker(Failing failing, const Trial& trial, int trials_max)
      : best_(std::move(failing)), trial_(trial), trials_left_(trials_max) {}

  void query(const std::vector<Query>& pieces) {
    std::vector<Query> sorted = pieces;
    std::sort(sorted.begin(), sorted.end(), [](const Query& a, const Query& b) { return a.sql.size() < b.sql.size(); });
    for (const Query& piece : sorted) {
      if (piece.sql.size() < best_.sql.size() && take(piece.sql, best_.history)) break;
    }
    for (auto piece = sorted.rbegin(); piece != sorted.rend(); ++piece) replace(*piece);
  }

  void changes() {
    for (size_t size = std::max<size_t>(1, best_.history.changes() / 2);; size /= 2) {
      for (size_t first = 0; first < best_.history.changes();) {
        if (!without_changes(first, size)) first += size;
      }
      if (size <= 1) return;
    }
  }

  void steps() {
    for (size_t i = best_.history.steps.size(); i-- > 0;) {
      if (step(i).restart) simpler([&](History& history) { history.steps[i].restart = false; });
      if (step(i).workers != 1 && (i == 0 || step(i).restart))
        simpler([&](History& history) { history.steps[i].workers = 1; });
      if (step(i).batch_seed != 0) simpler([&](History& history) { history.steps[i].batch_seed = 0; });
      if (i > 0) simpler([&](History& history) { join_steps(history, i); });
    }
  }

  void values() {
    for (size_t row = 0; row < best_.history.rows.size(); ++row) {
      if (!is_used(row)) continue;
      for (size_t column = 0; column < best_.history.rows[row].row.size(); ++column) {
        if (std::holds_alternative<std::monostate>(best_.history.rows[row].row[column])) continue;
        simpler([&](History& history) { history.rows[row].row[column] = {}; });
      }
    }
  }

  const Failing& best() const { return best_; }

 private:
  const Step& step(size_t i) const { return best_.history.steps[i]; }

  /// Step i together with the one before it.
  static void join_steps(History& history, size_t i) {
    auto& into = history.steps[i - 1].changes;
    const auto& from = history.steps[i].changes;
    into.insert(into.end(), from.begin(), from.end());
    history.steps.erase(history.steps.begin() + static_cast<int64_t>(i));
  }

  bool take(const std::string& sql, const History& history) {
    if (trials_left_-- <= 0) return false;
    auto failure = trial_(sql, history);
    if (!failure) return false;
    best_ = {sql, history, std::move(*failure)};
    return true;
  }

  bool simpler(const std::function<void(History&)>& change) {
    History history = best_.history;
    change(history);
    history.normalize();
    return take(best_.sql, history);
  }

  void replace(const Query& piece) {
    const std::string plain = plain_rows(piece.columns);
    const size_t at = best_.sql.find(piece.sql);
    if (at == std::string::npos || plain.size() >= piece.sql.size()) return;
    std::string sql = best_.sql;
    take(sql.replace(at, piece.sql.size(), plain), best_.history);
  }

  bool without_changes(size_t first, size_t count) {
    return simpler([&](History& history) {
      size_t at = 0;
      for (Step& step : history.steps) {
        std::erase_if(step.changes, [&](const Change&) {
          const size_t index = at++;
          return index >= first && index < first + count;
        });
      }
    });
  }

  bool is_used(size_t row) const {
    for (const Step& step : best_.history.steps) {
      for (const Change& change : step.changes) {
        if (change.row == row) return true;
      }
    }
    return false;
  }

  Failing best_;
  const Trial& trial_;
  int trials_left_;
};

}  // namespace

Failing shrink(Failing failing, const std::vector<Query>& pieces, const Trial& trial, int trials_max) {
  Shrinker shrinker(std::move(failing), trial, trials_max);
  shrinker.query(pieces);
  shrinker.changes();
  shrinker.steps();
  shrinker.query(pieces);
  shrinker.values();
  return shrinker.best();
}

}  // namespace millrace::test
