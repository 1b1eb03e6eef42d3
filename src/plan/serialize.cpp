// The stored form of a plan: docs/formats/plan.md.
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "batch/stored_type.h"
#include "plan/plan.h"

namespace millrace::plan {

namespace {

constexpr std::string_view kMagic = "MRPL";
constexpr uint64_t kVersion = 1;
/// Of an aggregate.
enum WindowForm : uint64_t { kNoWindow, kWindow, kWindowOfSessions };

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Status status() { return std::move(error_); }

  void number(uint64_t value) { append_varint(out_, value); }
  void integer(int64_t value) { append_zigzag(out_, value); }
  void text(std::string_view value) { append_string(out_, value); }
  void put(uint32_t value) { number(value); }
  void put(bool value) { number(value ? 1 : 0); }
  void put(const batch::Expression& value) { blob(value.serialize()); }
  void put(const batch::Type& value) { text(batch::stored_name(value)); }
  void put(const batch::Fragment& value) { blob(value ? value.serialize() : std::string()); }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void put(Enum value) { number(static_cast<uint64_t>(value)); }
  void put(const SourceColumn& value) {
    put(value.kind);
    put(value.field);
  }
  void put(const AggregateCall& value) {
    put(value.kind);
    integer(value.argument);
    integer(value.filter);
    if (value.kind >= AggregateKind::kFirst) integer(value.sort_key);
    if (value.kind == AggregateKind::kStringAgg) text(value.separator);
    put(value.result);
    text(value.text);
  }
  void put(const WindowCall& value) {
    put(value.kind);
    integer(value.argument);
    integer(value.offset);
    integer(value.default_column);
    if (value.kind > WindowKind::kGeneral) number((value.to_peers ? 1U : 0U) + (value.ends_before ? 2U : 0U));
    put(value.result);
    text(value.text);
  }
  void put(const FrameReach::Range& value) { integer(value.first_key), integer(value.last_key); }
  void put(const FrameReach::Values& value) { put(value.column), integer(value.before), integer(value.after); }
  void put(const batch::Field& value) {
    text(value.name);
    put(value.type);
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    number(values.size());
    for (const auto& value : values) put(static_cast<const T&>(value));
  }
  void put(const std::vector<bool>& values) {
    number(values.size());
    for (bool value : values) put(value);
  }

  void operation(const Source& of) { text(of.relation), put(of.columns); }
  void operation(const Filter& of) { put(of.predicates); }
  void operation(const Project& of) { put(of.expressions); }
  void operation(const Unnest& of) { put(of.kept_columns), put(of.list_columns); }
  void operation(const UnionAll&) {}
  void operation(const Aggregate& of) {
    put(of.group_columns);
    put(of.calls);
    put(of.general);
    put(of.general_columns);
    const bool plain = of.window && of.window->close == WindowClose::kRows && of.window->end_call < 0;
    number(!of.window ? kNoWindow : plain ? kWindow : kWindowOfSessions);
    if (!of.window) return;
    put(of.window->group_index);
    integer(of.window->end_offset.micros);
    integer(of.window->allowed_lateness.micros);
    put(of.window->emit_on_close);
    if (plain) return;
    put(of.window->close);
    integer(of.window->end_call);
  }
  void operation(const DistinctOn& of) { put(of.key_columns), integer(of.sort_key); }
  void operation(const Window& of) {
    put(of.partition_columns);
    integer(of.sort_key);
    put(of.calls);
    put(of.general);
  }
  void operation(const FramedWindow& of) {
    operation(of.window);
    for (int64_t bound :
         {of.reach.rows_before, of.reach.rows_after, of.reach.peers_before, of.reach.peers_after})
      integer(bound);
    put(of.reach.ranges);
    put(of.reach.values);
  }
  void operation(const Join& of) {
    put(of.type);
    put(of.left_keys);
    put(of.right_keys);
    put(of.null_equals_null);
    put(of.residual);
    put(of.left_output);
    put(of.right_output);
  }
  void operation(const TimeJoin& of) {
    operation(of.join);
    put(of.left_time);
    put(of.right_time);
    for (Duration length : {of.left_offset, of.right_offset, of.lower, of.upper, of.allowed_lateness})
      integer(length.micros);
    put(of.emit_on_close);
  }
  void operation(const TemporalJoin& of) {
    put(of.type);
    put(of.left_keys);
    put(of.right_keys);
    put(of.null_equals_null);
    put(of.left_time);
    put(of.right_time);
    integer(of.right_deleted);
    integer(of.allowed_lateness.micros);
    put(of.left_output);
    put(of.right_output);
  }
  void operation(const LookupJoin& of) { operation(of.join); }
  void operation(const TopN& of) {
    put(of.partition_columns);
    integer(of.sort_key);
    put(of.rank);
    integer(of.limit);
    integer(of.offset);
    put(of.gives_rank);
  }
  void operation(const Session& of) {
    put(of.partition_columns);
    put(of.time_column);
    integer(of.gap.micros);
    integer(of.allowed_lateness.micros);
    put(of.emit_on_close);
    put(of.bounds);
  }
  void operation(const SetOperation& of) { put(of.kind); }
  void operation(const Constant& of) { put(of.expressions), put(of.rows); }
  void operation(const AsofJoin& of) {
    put(of.type);
    put(of.left_keys);
    put(of.right_keys);
    put(of.null_equals_null);
    put(of.left_sort_key);
    put(of.right_sort_key);
    put(of.strict);
    put(of.left_output);
    put(of.right_output);
  }

 private:
  void blob(Result<std::string> bytes) {
    if (bytes.ok()) {
      text(*bytes);
    } else if (error_.ok()) {
      error_ = std::move(bytes).error();
    }
  }

  std::string& out_;
  Status error_;  // the first one
};

// Keeps the first error and gives zeros from then on, so that the fields can be read without a check each.
class Reader {
 public:
  Reader(std::string_view bytes, batch::Session& session) : in_(bytes), session_(session) {}

  bool ok() const { return error_.ok(); }
  bool done() const { return in_.done(); }
  Status status() { return std::move(error_); }
  void fail(std::string message) {
    set(external_error(sqlstate::kDataCorrupted, "stored plan: " + std::move(message)));
  }

  uint64_t number() { return take(in_.varint()); }
  int64_t integer() { return take(in_.zigzag()); }
  std::string_view text() { return take(in_.string()); }
  int32_t column() { return static_cast<int32_t>(integer()); }
  bool flag() { return number() != 0; }
  template <typename Enum>
  Enum one_of(Enum last) {
    const uint64_t value = number();
    if (value > static_cast<uint64_t>(last)) fail("unknown kind " + std::to_string(value));
    return static_cast<Enum>(value);
  }

  void get(uint32_t& value) { value = static_cast<uint32_t>(number()); }
  void get(std::string& value) { value = text(); }
  void get(batch::Expression& value) {
    const std::string_view bytes = text();
    if (ok()) value = take(batch::Expression::deserialize(bytes, session_));
  }
  void get(batch::Type& value) {
    const std::string_view name = text();
    if (ok()) value = take(batch::Type::parse(name));
  }
  void get(batch::Fragment& value) {
    const std::string_view bytes = text();
    if (ok() && !bytes.empty()) value = take(batch::Fragment::deserialize(bytes, session_));
  }
  void get(SessionBound& value) { value = one_of(SessionBound::kRowEnd); }
  void get(SourceColumn& value) {
    value.kind = one_of(SourceColumnKind::kDeleted);
    get(value.field);
  }
  void get(AggregateCall& value) {
    value.kind = one_of(AggregateKind::kStringAgg);
    value.argument = column();
    value.filter = column();
    if (value.kind >= AggregateKind::kFirst) value.sort_key = column();
    if (value.kind == AggregateKind::kStringAgg) get(value.separator);
    get(value.result);
    get(value.text);
  }
  void get(WindowCall& value) {
    value.kind = one_of(WindowKind::kLastNotNull);
    value.argument = column();
    value.offset = integer();
    value.default_column = column();
    if (value.kind > WindowKind::kGeneral) {
      const auto end = one_of(uint64_t{3});
      value.to_peers = (end & 1) != 0;
      value.ends_before = (end & 2) != 0;
    }
    get(value.result);
    get(value.text);
  }
  void get(FrameReach::Range& value) { value.first_key = column(), value.last_key = column(); }
  void get(FrameReach::Values& value) { get(value.column), value.before = integer(), value.after = integer(); }
  void get(batch::Field& value) {
    get(value.name);
    get(value.type);
  }
  template <typename T>
  void get(std::vector<T>& values) {
    const uint64_t count = number();
    if (count > in_.remaining()) return fail("a list is longer than the plan");
    for (uint64_t i = 0; i < count && ok(); ++i) get(values.emplace_back());
  }
  void get(std::vector<bool>& values) {
    const uint64_t count = number();
    if (count > in_.remaining()) return fail("a list is longer than the plan");
    for (uint64_t i = 0; i < count && ok(); ++i) values.push_back(flag());
  }

  void operation(Source& of) { get(of.relation), get(of.columns); }
  void operation(Filter& of) { get(of.predicates); }
  void operation(Project& of) { get(of.expressions); }
  void operation(Unnest& of) { get(of.kept_columns), get(of.list_columns); }
  void operation(UnionAll&) {}
  void operation(Aggregate& of) {
    get(of.group_columns);
    get(of.calls);
    get(of.general);
    get(of.general_columns);
    const uint64_t form = number();
    if (form > kWindowOfSessions) return fail("unknown form of a window: " + std::to_string(form));
    if (form == kNoWindow) return;
    of.window.emplace();
    get(of.window->group_index);
    of.window->end_offset = Duration{integer()};
    of.window->allowed_lateness = Duration{integer()};
    of.window->emit_on_close = flag();
    if (form == kWindow) return;
    of.window->close = one_of(WindowClose::kRowsBeside);
    of.window->end_call = column();
  }
  void operation(DistinctOn& of) { get(of.key_columns), of.sort_key = column(); }
  void operation(Window& of) {
    get(of.partition_columns);
    of.sort_key = column();
    get(of.calls);
    get(of.general);
  }
  void operation(FramedWindow& of) {
    operation(of.window);
    for (int64_t* bound :
         {&of.reach.rows_before, &of.reach.rows_after, &of.reach.peers_before, &of.reach.peers_after})
      *bound = integer();
    get(of.reach.ranges);
    get(of.reach.values);
  }
  void operation(Join& of) {
    of.type = one_of(JoinType::kMark);
    get(of.left_keys);
    get(of.right_keys);
    get(of.null_equals_null);
    get(of.residual);
    get(of.left_output);
    get(of.right_output);
  }
  void operation(TimeJoin& of) {
    operation(of.join);
    get(of.left_time);
    get(of.right_time);
    for (Duration* length : {&of.left_offset, &of.right_offset, &of.lower, &of.upper, &of.allowed_lateness})
      *length = Duration{integer()};
    of.emit_on_close = flag();
  }
  void operation(TemporalJoin& of) {
    of.type = one_of(JoinType::kLeft);
    get(of.left_keys);
    get(of.right_keys);
    get(of.null_equals_null);
    get(of.left_time);
    get(of.right_time);
    of.right_deleted = column();
    of.allowed_lateness = Duration{integer()};
    get(of.left_output);
    get(of.right_output);
  }
  void operation(LookupJoin& of) { operation(of.join); }
  void operation(TopN& of) {
    get(of.partition_columns);
    of.sort_key = column();
    of.rank = one_of(WindowKind::kDenseRank);
    of.limit = integer();
    of.offset = integer();
    of.gives_rank = flag();
  }
  void operation(Session& of) {
    get(of.partition_columns);
    get(of.time_column);
    of.gap = Duration{integer()};
    of.allowed_lateness = Duration{integer()};
    of.emit_on_close = flag();
    get(of.bounds);
  }
  void operation(SetOperation& of) { of.kind = one_of(SetKind::kExceptAll); }
  void operation(AsofJoin& of) {
    of.type = one_of(JoinType::kAnti);
    get(of.left_keys);
    get(of.right_keys);
    get(of.null_equals_null);
    get(of.left_sort_key);
    get(of.right_sort_key);
    of.strict = flag();
    get(of.left_output);
    get(of.right_output);
  }
  void operation(Constant& of) {
    get(of.expressions);
    get(of.rows);
    if (ok() && of.rows > 0 && of.expressions.size() % of.rows != 0) fail("rows of different lengths");
  }

 private:
  void set(Error error) {
    if (error_.ok()) error_ = std::move(error);
  }
  template <typename T>
  T take(Result<T> result) {
    if (result.ok()) return std::move(result).value();
    set(std::move(result).error());
    return T();
  }

  ByteReader in_;
  batch::Session& session_;
  Status error_;
};

/// Operation's alternative number `kind`, default made.
template <size_t... Index>
bool make_operation(uint64_t kind, Operation& operation, std::index_sequence<Index...>) {
  return ((kind == Index ? (operation.emplace<Index>(), true) : false) || ...);
}

void write_node(Writer& out, const Node& node) {
  out.put(node.id.value);
  out.number(node.operation.index());
  std::visit([&](const auto& of) { out.operation(of); }, node.operation);
  out.put(node.inputs);
  out.put(node.output.fields);
  out.integer(node.order_column);
  out.integer(node.watermark_column);
  out.put(node.append_only);
  out.put(node.key);
}

void read_node(Reader& in, Node& node, size_t index) {
  node.id = OperatorId(static_cast<uint32_t>(in.number()));
  const uint64_t kind = in.number();
  if (!make_operation(kind, node.operation, std::make_index_sequence<std::variant_size_v<Operation>>())) {
    return in.fail("unknown operator kind " + std::to_string(kind));
  }
  std::visit([&](auto& of) { in.operation(of); }, node.operation);
  in.get(node.inputs);
  in.get(node.output.fields);
  node.order_column = in.column();
  node.watermark_column = in.column();
  node.append_only = in.flag();
  in.get(node.key);
  for (uint32_t input : node.inputs) {
    if (input >= index) in.fail("an operator reads one that comes after it");
  }
}

}  // namespace

Result<std::string> serialize(const Plan& plan) {
  std::string bytes(kMagic);
  Writer out(bytes);
  out.number(kVersion);
  out.put(plan.columns);
  out.put(plan.emit_on_window_close);
  out.number(plan.nodes.size());
  for (const Node& node : plan.nodes) write_node(out, node);
  MR_TRY(out.status());
  return bytes;
}

Result<Plan> deserialize(std::string_view bytes, batch::Session& session) {
  if (!bytes.starts_with(kMagic)) return external_error(sqlstate::kDataCorrupted, "stored plan: not a plan");
  Reader in(bytes.substr(kMagic.size()), session);
  const uint64_t version = in.number();
  if (in.ok() && version != kVersion) {
    return external_error(sqlstate::kNotSupported, "stored plan: unknown version: " + std::to_string(version))
        .with_hint("it was written by a newer millrace; start that one, or drop the view and create it again");
  }
  Plan plan;
  in.get(plan.columns);
  plan.emit_on_window_close = in.flag();
  const uint64_t nodes = in.number();
  for (uint64_t index = 0; index < nodes && in.ok(); ++index) read_node(in, plan.nodes.emplace_back(), index);
  if (in.ok() && !in.done()) in.fail("bytes after its end");
  if (in.ok() && plan.nodes.empty()) in.fail("it has no operators");
  if (in.ok() && plan.columns > plan.root().output.size()) in.fail("more columns than its last operator has");
  MR_TRY(in.status());
  return plan;
}

}  // namespace millrace::plan
