// Does the cost of a row grow with the history behind it? For each fast form: microseconds of CPU a row behind so many
// rows, and behind twice as many, in steps of 2,048 rows. A ratio near 1 says no: what is left of it is caches.
//
//   build/release/bench/bench_slope [HISTORY]      rows; 1,000,000
#include <ctime>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "operator_rows.h"

namespace millrace::dataflow {
namespace {

constexpr size_t kMeasured = 50 * batch::kBatchRows;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", render(status.error()).c_str());
  std::exit(1);
}

struct Form {
  const char* name;
  std::function<plan::Node(const plan::Node&)> make;
  uint64_t keys;            ///< of the rows
  bool append_only = true;  ///< the input
  size_t table = 0;         ///< a join's right side, there from the start
  bool both_sides = false;  ///< rows come to both sides of a join in turn
};

/// One operator and how many rows it has had.
class Measured {
 public:
  explicit Measured(const Form& form) : form_(form), input_(source(form.append_only)), node_(form.make(input_)) {
    std::vector<const plan::Node*> inputs{&input_};
    if (form.table > 0 || form.both_sides) inputs.push_back(&input_);
    auto made = make_operator(node_, inputs, OperatorContext{&session(), &side_});
    if (!made.ok()) must(made.error());
    operator_ = std::move(made).value();
    for (const batch::Batch& batch : make_table(input_, form.table)) must(operator_->push(1, batch, out_));
    must(operator_->finish(out_));
  }

  /// CPU seconds of the next rows.
  double push(size_t rows) {
    double spent = 0;
    for (size_t end = rows_ + rows; rows_ < end; rows_ += batch::kBatchRows) {
      const std::vector<batch::Batch> step = make_rows(input_, batch::kBatchRows, form_.keys, rows_);
      const double began = cpu_seconds();
      const size_t port = form_.both_sides ? rows_ / batch::kBatchRows % 2 : 0;
      for (const batch::Batch& batch : step) must(operator_->push(port, batch, out_));
      must(operator_->finish(out_));
      spent += cpu_seconds() - began;
    }
    return spent;
  }
  size_t rows() const { return rows_; }

 private:
  const Form& form_;
  const plan::Node input_;
  const plan::Node node_;
  NoSide side_;
  Nowhere out_;
  std::unique_ptr<Operator> operator_;
  size_t rows_ = 0;
};

double micros_a_row(Measured& measured, size_t history) {
  if (history > measured.rows()) (void)measured.push(history - measured.rows());
  return measured.push(kMeasured) * 1e6 / static_cast<double>(kMeasured);
}

void compare(const Form& form, size_t history) {
  Measured measured(form);
  const double before = micros_a_row(measured, history);
  const double after = micros_a_row(measured, 2 * history);
  std::printf("| %-40s | %8.3f | %8.3f | %5.2f |\n", form.name, before, after, after / before);
}

}  // namespace
}  // namespace millrace::dataflow

int main(int argc, char** argv) {
  using namespace millrace::dataflow;
  using millrace::plan::JoinType;
  using millrace::plan::Node;
  const size_t history = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  const auto join = [](const Node& input) { return join_over(input, JoinType::kInner); };
  const auto left_join = [](const Node& input) { return join_over(input, JoinType::kLeft); };
  const auto top_ten = [](const Node& input) { return top_ten_over(input, {0}); };
  const auto top_of_all = [](const Node& input) { return top_ten_over(input, {}); };
  constexpr uint64_t kFew = 1000;
  constexpr uint64_t kNever = UINT64_MAX;  // hardly a key comes twice
  const Form forms[] = {
      {"aggregate, 1,000 groups", aggregate_over, kFew},
      {"aggregate, ever new groups", aggregate_over, kNever},
      {"aggregate, rows may be taken away", aggregate_over, kFew, false},
      {"DISTINCT ON, ever new keys", distinct_over, kNever},
      {"DISTINCT ON, rows may be taken away", distinct_over, kFew, false},
      {"lead, 1,000 partitions that grow", lead_over, kFew},
      {"lead, ever new partitions", lead_over, kNever},
      {"join with a table of 10,000 rows", join, 10000, true, 10000},
      {"left join with a table of 10,000 rows", left_join, 10000, true, 10000},
      {"join of two streams, ever new keys", join, kNever, true, 0, true},
      {"first ten of 1,000 partitions", top_ten, kFew},
      {"first ten, rows may be taken away", top_ten, kFew, false},
      {"ORDER BY … LIMIT 10", top_of_all, kFew},
  };
  std::printf("| %-40s | at %5zuK | at %5zuK | ratio |\n", "form", history / 1000, 2 * history / 1000);
  std::printf("|%s|---------:|---------:|------:|\n", std::string(42, '-').c_str());
  for (const Form& form : forms) compare(form, history);
  return 0;
}
