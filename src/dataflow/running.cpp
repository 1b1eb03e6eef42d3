#include "dataflow/running.h"

#include "base/bytes.h"
#include "dataflow/extremes.h"

namespace millrace::dataflow {

using batch::Layout;

namespace {

constexpr size_t kBitmapBytes = 1;  // before the value of a piece

template <typename T>
T value_of(std::string_view piece) {
  T value;
  std::memcpy(&value, piece.data() + kBitmapBytes, sizeof value);
  return value;
}

std::string_view text_of(std::string_view piece) {
  ByteReader reader(piece.substr(kBitmapBytes));
  return reader.string().value();
}

plan::AggregateKind aggregate_kind(plan::WindowKind kind) {
  switch (kind) {
    case plan::WindowKind::kCountStar: return plan::AggregateKind::kCountStar;
    case plan::WindowKind::kCount: return plan::AggregateKind::kCount;
    case plan::WindowKind::kSum: return plan::AggregateKind::kSum;
    case plan::WindowKind::kAvg: return plan::AggregateKind::kAvg;
    case plan::WindowKind::kMin: return plan::AggregateKind::kMin;
    case plan::WindowKind::kMax: return plan::AggregateKind::kMax;
    default: return plan::AggregateKind::kGeneral;
  }
}

}  // namespace

Result<RunningCall> RunningCall::make(const plan::WindowCall& call, const batch::Schema& input) {
  if (call.kind == plan::WindowKind::kFirstNotNull || call.kind == plan::WindowKind::kLastNotNull) {
    RunningCall made;
    made.accumulator_.state = StateKind::kExtreme;
    made.accumulator_.argument = call.argument;
    made.pick_ = call.kind == plan::WindowKind::kFirstNotNull ? Pick::kFirst : Pick::kLast;
    return made;
  }
  plan::AggregateCall aggregate;
  aggregate.kind = aggregate_kind(call.kind);
  aggregate.argument = call.argument;
  aggregate.result = call.result;
  aggregate.text = call.text;
  uint32_t length = 0;
  RunningCall made;
  MR_ASSIGN(const std::vector<Accumulator> accumulators, make_accumulators({&aggregate, 1}, input, length));
  made.accumulator_ = accumulators[0];
  const Layout layout = made.accumulator_.argument_type.layout();
  made.less_ = Extremes::less_of(layout);
  if (made.is_piece() && !made.less_ && layout != Layout::kString)
    return internal_error("a running minimum or maximum was planned over " + made.accumulator_.argument_type.name());
  return made;
}

bool RunningCall::better(std::string_view a, std::string_view b) const {
  if (accumulator_.kind == plan::AggregateKind::kMax) std::swap(a, b);
  if (less_) return less_(a.data() + kBitmapBytes, b.data() + kBitmapBytes);
  return text_of(a) < text_of(b);
}

void RunningCall::add(RunningValue& value, std::string_view piece, int64_t copies) const {
  if (copies == 0 || (!piece.empty() && (piece[0] & 1) != 0)) return;
  switch (accumulator_.state) {
    case StateKind::kRows:
    case StateKind::kCount: break;
    case StateKind::kSum:
      add_to_sum(value.sum, exact_number(accumulator_.argument_type.layout(), piece.data() + kBitmapBytes), copies);
      break;
    case StateKind::kFloatSum: {
      const bool narrow = accumulator_.argument_type.layout() == Layout::kFloat;
      const double number = narrow ? static_cast<double>(value_of<float>(piece)) : value_of<double>(piece);
      for (int64_t copy = 0; copy < copies; ++copy) value.real += number;
      break;
    }
    case StateKind::kExtreme:
      if (copies > 0 && (value.best.empty() || pick_ == Pick::kLast ||
                         (pick_ == Pick::kBest && better(piece, value.best))))
        value.best = piece;
      break;
    default: break;  // not a kind of window call
  }
  value.sum.count += copies;
}

Cell RunningCall::result(const RunningValue& value) const {
  Cell cell;
  switch (accumulator_.state) {
    case StateKind::kRows:
    case StateKind::kCount: std::memcpy(cell.bytes, &value.sum.count, sizeof value.sum.count); break;
    case StateKind::kSum:
      MR_CHECK(result_of_sum(accumulator_, value.sum, cell), "a running sum was planned over a type that overflows");
      break;
    case StateKind::kFloatSum: {
      cell.null = value.sum.count == 0;
      const bool average = accumulator_.kind == plan::AggregateKind::kAvg;
      const double number = average ? value.real / static_cast<double>(value.sum.count) : value.real;
      if (!cell.null) std::memcpy(cell.bytes, &number, sizeof number);
      break;
    }
    default: break;
  }
  return cell;
}

void RunningCall::append_own(const RunningValue& value, std::string& bytes) const {
  if (is_piece()) {
    append_string(bytes, value.best);
    return;
  }
  append_zigzag(bytes, value.sum.count);
  if (accumulator_.state == StateKind::kFloatSum) append_little(bytes, std::bit_cast<uint64_t>(value.real));
  if (accumulator_.state != StateKind::kSum) return;
  append_little(bytes, value.sum.sum_low);
  append_zigzag(bytes, value.sum.sum_high);
  append_zigzag(bytes, value.sum.overflows);
}

RunningValue RunningCall::take_own(std::string_view& bytes) const {
  RunningValue value;
  ByteReader reader(bytes);
  if (is_piece()) {
    value.best = reader.string().value();
  } else {
    value.sum.count = reader.zigzag().value();
    if (accumulator_.state == StateKind::kFloatSum)
      value.real = std::bit_cast<double>(reader.little<uint64_t>().value());
    if (accumulator_.state == StateKind::kSum) {
      value.sum.sum_low = reader.little<uint64_t>().value();
      value.sum.sum_high = reader.zigzag().value();
      value.sum.overflows = reader.zigzag().value();
    }
  }
  bytes.remove_prefix(bytes.size() - reader.remaining());
  return value;
}

bool RunningCall::same(const RunningValue& a, const RunningValue& b) const {
  if (is_piece()) return a.best == b.best;
  return a.sum.count == b.sum.count && std::bit_cast<uint64_t>(a.real) == std::bit_cast<uint64_t>(b.real) &&
         a.sum.sum_low == b.sum.sum_low && a.sum.sum_high == b.sum.sum_high && a.sum.overflows == b.sum.overflows;
}

void RunningCall::append(const RunningValue& value, std::string& bytes) {
  append_little(bytes, value.sum.sum_low);
  append_little(bytes, value.sum.sum_high);
  append_little(bytes, value.sum.overflows);
  append_little(bytes, value.sum.count);
  append_little(bytes, std::bit_cast<uint64_t>(value.real));
  append_little(bytes, static_cast<uint32_t>(value.best.size()));
  bytes.append(value.best);
}

RunningValue RunningCall::take(std::string_view& bytes) {
  RunningValue value;
  const char* at = bytes.data();
  value.sum.sum_low = load_little<uint64_t>(at);
  value.sum.sum_high = load_little<int64_t>(at + 8);
  value.sum.overflows = load_little<int64_t>(at + 16);
  value.sum.count = load_little<int64_t>(at + 24);
  value.real = std::bit_cast<double>(load_little<uint64_t>(at + 32));
  const auto length = load_little<uint32_t>(at + 40);
  value.best = bytes.substr(44, length);
  bytes.remove_prefix(44 + length);
  return value;
}

}  // namespace millrace::dataflow
