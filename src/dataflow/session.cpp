// Session windows: each row with the bounds of its session. Slot 0 holds the rows of sessions that are not final, in
// order of time; slot 1 their bounds (dataflow/session_bounds.h). docs/adr/0013-session-windows.md.
//
// At the end of a step, each touched partition's sessions are changed by the step's rows. A row that came is given with
// its new bounds, one that went with its old ones, and the other rows of a session only when a bound that is shown
// moved.
#include <algorithm>
#include <deque>
#include <map>

#include "base/hash.h"
#include "dataflow/operators.h"
#include "dataflow/session_bounds.h"

namespace millrace::dataflow {
namespace {

constexpr uint32_t kNoDelta = UINT32_MAX;
/// Bytes before a row's time: the length of its visible columns.
constexpr size_t kLengthBytes = sizeof(uint32_t);
constexpr size_t kHeaderBytes = kLengthBytes + sizeof(uint64_t);

int64_t row_time(std::string_view row) { return time_of(load_big<uint64_t>(row.data() + kLengthBytes)); }
std::string_view comparable(std::string_view row) { return row.substr(kLengthBytes); }

bool is_finite(int64_t micros) { return micros != INT64_MAX && micros != -INT64_MAX; }

int64_t plus(int64_t time, int64_t length) {
  int64_t sum;
  return __builtin_add_overflow(time, length, &sum) ? INT64_MAX : sum;
}

class SessionOperator final : public Operator {
 public:
  SessionOperator(const plan::Node& node, const plan::Session& session, const plan::Node& input,
                  std::vector<uint32_t> visible, std::vector<uint32_t> hidden, const OperatorContext& context)
      : Operator(node),
        context_(context),
        session_(session),
        order_column_(input.order_column),
        watermark_column_(input.append_only ? input.watermark_column : -1),
        visible_(visible.size()),
        keys_(input.output.types(), session.partition_columns),
        visible_codec_(input.output.types(), std::move(visible), batch::RowForm::kExact),
        hidden_codec_(input.output.types(), std::move(hidden), batch::RowForm::kExact),
        bounds_(session.gap.micros),
        cursor_(rows_),
        output_(node.output) {
    rows_.keep_sorted(kLengthBytes);
    for (plan::SessionBound bound : session.bounds) {
      shows_start_ |= bound == plan::SessionBound::kStart;
      shows_end_ |= bound == plan::SessionBound::kEnd;
    }
  }

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  void advance(Timestamp watermark) override {
    if (closes()) watermark_ = std::max(watermark_, watermark.micros);
  }
  bool due_at(Timestamp watermark) const override {
    return closes() && !due_.empty() && due_.begin()->first <= watermark.micros;
  }
  std::vector<state::TableRef> tables() override {
    return {{{node_.id, 0}, &rows_}, {{node_.id, 1}, &bounds_.table()}};
  }

 private:
  using Group = state::BagTable::Group;
  struct Touched {
    Group group;
    uint32_t last_delta;
  };
  struct Delta {
    uint32_t previous;
    size_t start;  // into step_bytes_
    size_t length;
    int64_t diff;
  };
  struct Change {
    std::string_view row;
    int64_t diff;
  };
  struct Due {
    uint64_t hash;
    std::string key;
    int64_t start;
  };
  struct Pending {
    std::string_view row;
    Session session;
    int64_t diff;
    bool timeless;
  };

  bool closes() const { return watermark_column_ >= 0; }
  Status prepare();
  bool is_late(const batch::Batch& batch, size_t row, int64_t time) const;
  void drop_late(const batch::Batch& batch, size_t row);
  std::string_view encode_row(size_t row, int64_t time);
  Touched& touch(Group group);
  void remember(Group group, std::string_view row, int64_t diff);
  void collect(const Touched& touched);
  void change_bounds(Group group);
  std::optional<int64_t> time_before(Group group, int64_t time);
  std::optional<int64_t> time_from(Group group, int64_t time);
  Status give_changes(Output& out);
  Status give_moved(Group group, Output& out);
  Status give_moved_rows(Group group, const Session& old, const Session& now, Output& out);
  int64_t change_of(std::string_view row) const;
  void add_due(uint64_t hash, std::string_view key, const Session& session) {
    due_[closes_at(session)].push_back(Due{hash, std::string(key), session.start});
  }
  int64_t closes_at(const Session& session) const {
    return plus(session.last, session_.gap.micros + session_.grace().micros);
  }
  Status close_due(Output& out);
  Status close(const Due& due, Output& out);
  Status give(std::string_view row, const Session& session, int64_t diff, Output& out, bool timeless = false);
  void write_bounds(size_t first, size_t rows);
  Status flush(Output& out);

  OperatorContext context_;
  const plan::Session& session_;
  const int32_t order_column_;
  const int32_t watermark_column_;  // -1: nothing is late, no session is final
  const size_t visible_;
  batch::RowCodec keys_, visible_codec_, hidden_codec_;
  bool shows_start_ = false, shows_end_ = false;
  state::BagTable rows_;
  SessionBounds bounds_;
  state::BagTable::SortedCursor cursor_;
  int64_t watermark_ = INT64_MIN;
  std::map<int64_t, std::vector<Due>> due_;  // one for each session, by its start; it may have grown since
  bool ready_ = false;
  int64_t negative_rows_ = 0;

  // Of one batch.
  batch::RowBuffer key_buffer_, visible_buffer_, hidden_buffer_;
  std::vector<Group> groups_;
  std::string row_;
  // Of one step.
  std::vector<Touched> touched_;
  std::vector<uint32_t> touched_of_;  // by group: 0, or 1 + place in touched_
  std::vector<Delta> deltas_;
  std::string step_bytes_;
  std::deque<std::string> kept_;  // rows that are given and stand nowhere else
  // Of one partition: its changes, each row once, in order.
  std::vector<Change> changes_;
  // Rows to give. They point into the tables, step_bytes_ and kept_.
  batch::Batch output_;
  std::vector<Pending> pending_;
  std::vector<std::string_view> pieces_;
};

/// After a restore: when the sessions are due.
Status SessionOperator::prepare() {
  if (ready_) return {};
  ready_ = true;
  if (!closes()) return {};
  bounds_.table().for_each([&](const state::Entry& entry) {
    const auto [key, session] = SessionBounds::read(entry);
    add_due(entry.hash, key, session);
  });
  return {};
}

bool SessionOperator::is_late(const batch::Batch& batch, size_t row, int64_t time) const {
  if (!closes()) return false;
  int64_t watermark = watermark_;
  const batch::ColumnView column = batch.column(static_cast<size_t>(watermark_column_));
  if (!column.is_null(row)) watermark = std::max(watermark, column.at<int64_t>(row));
  const int64_t last = plus(time, session_.grace().micros);
  return session_.emit_on_close ? watermark > last : watermark >= last;
}

void SessionOperator::drop_late(const batch::Batch& batch, size_t row) {
  ++stats.rows_late;
  context_.side->row_late(node_.id, 0, batch, row, order_of(batch, order_column_, row));
}

std::string_view SessionOperator::encode_row(size_t row, int64_t time) {
  row_.clear();
  append_little(row_, static_cast<uint32_t>(visible_buffer_.row(row).size()));
  append_big(row_, sortable_time(time));
  row_.append(visible_buffer_.row(row)).append(hidden_buffer_.row(row));
  return row_;
}

Status SessionOperator::push(size_t, const batch::Batch& batch, Output& out) {
  MR_TRY(prepare());
  keys_.encode(batch, key_buffer_);
  visible_codec_.encode(batch, visible_buffer_);
  hidden_codec_.encode(batch, hidden_buffer_);
  const batch::ColumnView times = batch.column(session_.time_column);
  for (size_t row = 0; row < batch.rows(); ++row) {
    const bool timeless = times.is_null(row);
    const int64_t time = timeless ? 0 : times.at<int64_t>(row);
    if (timeless || !is_finite(time)) {  // in a window of its own, which never closes
      if (closes() && session_.emit_on_close) continue;
      kept_.emplace_back(encode_row(row, time));
      MR_TRY(give(kept_.back(), {time, time}, batch.diff(row), out, timeless));
    } else if (is_late(batch, row, time)) {
      drop_late(batch, row);
    } else {
      remember(rows_.find_or_insert(key_buffer_.hash(row), key_buffer_.row(row)), encode_row(row, time),
               batch.diff(row));
    }
  }
  return {};
}

SessionOperator::Touched& SessionOperator::touch(Group group) {
  if (group >= touched_of_.size()) touched_of_.resize(group + group / 2 + 16, 0);
  if (touched_of_[group] == 0) {
    touched_.push_back(Touched{group, kNoDelta});
    touched_of_[group] = static_cast<uint32_t>(touched_.size());
  }
  return touched_[touched_of_[group] - 1];
}

void SessionOperator::remember(Group group, std::string_view row, int64_t diff) {
  Touched& touched = touch(group);
  const int64_t left = rows_.add(group, hash_bytes(row), row, diff);
  negative_rows_ += (left < 0 ? 1 : 0) - (left - diff < 0 ? 1 : 0);
  deltas_.push_back(Delta{touched.last_delta, step_bytes_.size(), row.size(), diff});
  touched.last_delta = static_cast<uint32_t>(deltas_.size() - 1);
  step_bytes_.append(row);
}

Status SessionOperator::finish(Output& out) {
  MR_TRY(prepare());
  if (negative_rows_ != 0) return internal_error("a session was asked to take away rows that it never got");
  stats.groups_touched += touched_.size();
  for (const Touched& touched : touched_) {
    touched_of_[touched.group] = 0;
    collect(touched);
    bounds_.open(rows_.hash_of(touched.group), rows_.key_of(touched.group));
    change_bounds(touched.group);
    bounds_.sort();
    if (closes()) {
      for (const Session& session : bounds_.added())
        add_due(rows_.hash_of(touched.group), rows_.key_of(touched.group), session);
      if (session_.emit_on_close) continue;
    }
    MR_TRY(give_moved(touched.group, out));
    MR_TRY(give_changes(out));
  }
  MR_TRY(flush(out));
  touched_.clear();
  deltas_.clear();
  step_bytes_.clear();
  if (due_at(Timestamp{watermark_})) MR_TRY(close_due(out));
  MR_TRY(flush(out));
  kept_.clear();
  rows_.release_empty();
  bounds_.table().release_empty();
  return {};
}

/// Fills changes_ with what the step did to the partition.
void SessionOperator::collect(const Touched& touched) {
  changes_.clear();
  for (uint32_t at = touched.last_delta; at != kNoDelta; at = deltas_[at].previous) {
    const Delta& delta = deltas_[at];
    changes_.push_back({std::string_view(step_bytes_).substr(delta.start, delta.length), delta.diff});
  }
  std::sort(changes_.begin(), changes_.end(),
            [](const Change& a, const Change& b) { return comparable(a.row) < comparable(b.row); });
  size_t kept = 0;
  for (const Change& change : changes_) {
    if (kept > 0 && changes_[kept - 1].row == change.row) {
      changes_[kept - 1].diff += change.diff;
    } else {
      changes_[kept++] = change;
    }
  }
  changes_.resize(kept);
  std::erase_if(changes_, [](const Change& change) { return change.diff == 0; });
}

void SessionOperator::change_bounds(Group group) {
  for (const Change& change : changes_) {
    if (change.diff > 0) bounds_.insert(row_time(change.row));
  }
  for (const Change& change : changes_) {
    if (change.diff > 0) continue;
    const int64_t time = row_time(change.row);
    const std::optional<int64_t> from = time_from(group, time);
    if (from == time) continue;
    bounds_.erase(time, time_before(group, time), from);
  }
}

std::optional<int64_t> SessionOperator::time_before(Group group, int64_t time) {
  std::string from;
  append_big(from, sortable_time(time));
  cursor_.seek(group, from);
  std::string_view row;
  int64_t count;
  return cursor_.previous(row, count) ? std::optional(row_time(row)) : std::nullopt;
}

std::optional<int64_t> SessionOperator::time_from(Group group, int64_t time) {
  std::string from;
  append_big(from, sortable_time(time));
  cursor_.seek(group, from);
  std::string_view row;
  int64_t count;
  return cursor_.next(row, count) ? std::optional(row_time(row)) : std::nullopt;
}

/// The rows that came, with their new bounds, and those that went, with their old ones.
Status SessionOperator::give_changes(Output& out) {
  size_t added = 0, removed = 0;
  const auto find = [](const std::vector<Session>& sessions, size_t& at, int64_t time) -> const Session* {
    while (at < sessions.size() && sessions[at].last < time) ++at;
    return at < sessions.size() && sessions[at].start <= time ? &sessions[at] : nullptr;
  };
  for (const Change& change : changes_) {
    const int64_t time = row_time(change.row);
    const Session* moved =
        change.diff > 0 ? find(bounds_.added(), added, time) : find(bounds_.removed(), removed, time);
    if (moved) {
      MR_TRY(give(change.row, *moved, change.diff, out));
      continue;
    }
    const std::optional<Session> around = bounds_.around(time);
    MR_CHECK(around.has_value(), "a row is in no session");
    MR_TRY(give(change.row, *around, change.diff, out));
  }
  return {};
}

/// The rows that stay while a bound of theirs that is shown moves.
Status SessionOperator::give_moved(Group group, Output& out) {
  size_t first = 0;
  for (const Session& old : bounds_.removed()) {
    while (first < bounds_.added().size() && bounds_.added()[first].last < old.start) ++first;
    for (size_t i = first; i < bounds_.added().size() && bounds_.added()[i].start <= old.last; ++i) {
      const Session& now = bounds_.added()[i];
      const bool moved = (shows_start_ && old.start != now.start) || (shows_end_ && old.last != now.last);
      if (moved) MR_TRY(give_moved_rows(group, old, now, out));
    }
  }
  return {};
}

Status SessionOperator::give_moved_rows(Group group, const Session& old, const Session& now, Output& out) {
  std::string from;
  append_big(from, sortable_time(std::max(old.start, now.start)));
  const int64_t last = std::min(old.last, now.last);
  cursor_.seek(group, from);
  std::string_view row;
  int64_t count;
  while (cursor_.next(row, count) && row_time(row) <= last) {
    const int64_t stays = std::min(count, count - change_of(row));
    if (stays <= 0) continue;
    MR_TRY(give(row, old, -stays, out));
    MR_TRY(give(row, now, stays, out));
  }
  return {};
}

/// How much the step changed the row's count.
int64_t SessionOperator::change_of(std::string_view row) const {
  const auto found = std::lower_bound(
      changes_.begin(), changes_.end(), row,
      [](const Change& change, std::string_view wanted) { return comparable(change.row) < comparable(wanted); });
  return found != changes_.end() && found->row == row ? found->diff : 0;
}

Status SessionOperator::close_due(Output& out) {
  while (due_at(Timestamp{watermark_})) {
    const std::vector<Due> due = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    for (const Due& one : due) MR_TRY(close(one, out));
  }
  return {};
}

/// The session is final, unless it has grown, or begins elsewhere by now.
Status SessionOperator::close(const Due& due, Output& out) {
  const Group group = rows_.find(due.hash, due.key);
  if (group == state::BagTable::kNone) return {};
  bounds_.open(due.hash, due.key);
  const std::optional<Session> session = bounds_.at_or_before(due.start);
  if (!session || session->start != due.start) return {};
  if (closes_at(*session) > watermark_) {
    add_due(due.hash, due.key, *session);
    return {};
  }
  std::string from;
  append_big(from, sortable_time(session->start));
  cursor_.seek(group, from);
  std::vector<std::pair<std::string_view, int64_t>> gone;
  std::string_view row;
  int64_t count;
  while (cursor_.next(row, count) && row_time(row) <= session->last) gone.emplace_back(kept_.emplace_back(row), count);
  for (const auto& [bytes, copies] : gone) {
    rows_.add(group, hash_bytes(bytes), bytes, -copies);
    if (session_.emit_on_close) MR_TRY(give(bytes, *session, copies, out));
  }
  bounds_.drop(*session);
  return {};
}

Status SessionOperator::give(std::string_view row, const Session& session, int64_t diff, Output& out, bool timeless) {
  pending_.push_back(Pending{row, session, diff, timeless});
  return pending_.size() >= batch::kBatchRows ? flush(out) : Status();
}

void SessionOperator::write_bounds(size_t first, size_t rows) {
  for (size_t i = 0; i < session_.bounds.size(); ++i) {
    batch::MutableColumn column = output_.mutable_column(visible_ + i);
    for (size_t at = 0; at < rows; ++at) {
      const Pending& given = pending_[first + at];
      if (given.timeless) {
        column.set_null(at);
        continue;
      }
      int64_t bound = given.session.start;
      if (session_.bounds[i] == plan::SessionBound::kEnd) bound = given.session.last;
      if (session_.bounds[i] == plan::SessionBound::kRowEnd) bound = row_time(given.row);
      const bool is_start = session_.bounds[i] == plan::SessionBound::kStart;
      column.set<int64_t>(at, is_start || !is_finite(bound) ? bound : plus(bound, session_.gap.micros));
    }
  }
}

/// Emits what is pending.
Status SessionOperator::flush(Output& out) {
  for (size_t first = 0; first < pending_.size(); first += batch::kBatchRows) {
    const size_t rows = std::min<size_t>(batch::kBatchRows, pending_.size() - first);
    output_.reset();
    output_.set_rows(rows);
    const auto decode = [&](const batch::RowCodec& codec, bool hidden, size_t column) -> Status {
      if (codec.types().empty()) return {};
      pieces_.clear();
      for (size_t at = first; at < first + rows; ++at) {
        const std::string_view row = pending_[at].row;
        const uint32_t length = load_little<uint32_t>(row.data());
        pieces_.push_back(hidden ? row.substr(kHeaderBytes + length) : row.substr(kHeaderBytes, length));
      }
      return codec.decode_rows(pieces_, output_, 0, column);
    };
    MR_TRY(decode(visible_codec_, false, 0));
    write_bounds(first, rows);
    MR_TRY(decode(hidden_codec_, true, visible_ + session_.bounds.size()));
    std::vector<int64_t> diffs;
    for (size_t at = first; at < first + rows; ++at) diffs.push_back(pending_[at].diff);
    if (std::any_of(diffs.begin(), diffs.end(), [](int64_t diff) { return diff != 1; }))
      output_.set_diffs(std::move(diffs));
    MR_TRY(push_one(output_, out, stats));
  }
  pending_.clear();
  return {};
}

}  // namespace

Made make_session(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& session = std::get<plan::Session>(node.operation);
  const plan::Node& input = *inputs[0];
  std::vector<uint32_t> visible, hidden;
  for (uint32_t i = 0; i < input.output.size(); ++i) {
    const auto column = static_cast<int32_t>(i);
    if (column != input.order_column && column != input.watermark_column) visible.push_back(i);
  }
  for (int32_t column : {input.order_column, input.watermark_column}) {
    if (column >= 0) hidden.push_back(static_cast<uint32_t>(column));
  }
  return {std::make_unique<SessionOperator>(node, session, input, std::move(visible), std::move(hidden), context)};
}

}  // namespace millrace::dataflow
