// Filter, project, UNNEST, UNION ALL, and the first rows of an order.
#include <algorithm>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

batch::BindingDatabase& database() {
  static batch::BindingDatabase made("v BIGINT, s VARCHAR, o HUGEINT");
  return made;
}

const std::vector<std::string> kTypes{"BIGINT", "VARCHAR", "HUGEINT"};

Row random_row(Random& random, size_t, uint64_t serial) {
  const std::string text = random.chance(5) ? "not a number" : std::to_string(random.below(10));
  return {random.chance(5) ? kNull : std::to_string(random.below(10)), text, std::to_string(serial)};
}

TEST(Filter, KeepsTheRowsOnWhichAllPredicatesAreTrue) {
  plan::Filter filter;
  filter.predicates = database().expressions("v > 3, v < 8");
  Case test;
  test.input(kTypes, false, 2).node(filter, kTypes, 2);
  Property property;
  property.row = random_row;
  property.expected = [](const std::vector<Bag>& inputs) {
    Bag result;
    for (const auto& [row, count] : inputs[0]) {
      if (row[0] != kNull && std::stoll(row[0]) > 3 && std::stoll(row[0]) < 8) result[row] = count;
    }
    return result;
  };
  run(test, property);
}

TEST(Project, ARowThatThrowsIsAbsentAndItsRetractionCancelsTheEntry) {
  plan::Project project;
  project.expressions = database().expressions("v + 1, s::INTEGER");
  Case test;
  test.input(kTypes, false, 2).node(project, {"BIGINT", "INTEGER"});
  Property property;
  property.row = random_row;
  property.expected = [](const std::vector<Bag>& inputs) {
    Bag result;
    for (const auto& [row, count] : inputs[0]) {
      if (row[1] == "not a number") continue;
      add(result, {row[0] == kNull ? kNull : std::to_string(std::stoll(row[0]) + 1), row[1]}, count);
    }
    return result;
  };
  run(test, property);

  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const Row bad{"1", "not a number", "7"};
  ASSERT_TRUE(
      op->push(0, make_batch(test.inputs[0]->output, {{{"1", "2", "3"}, 1}, {bad, 1}, {{"4", "5", "6"}, 1}}), out)
          .ok());
  EXPECT_EQ(out.bag, (Bag{{{"2", "2"}, 1}, {{"5", "5"}, 1}}));
  EXPECT_EQ(side.failed, (Bag{{bad, 1}}));
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{bad, -1}}), out).ok());
  EXPECT_TRUE(side.failed.empty());
}

TEST(UnionAll, GivesTheRowsOfAllInputs) {
  Case test;
  test.input(kTypes, false).input(kTypes, false).input(kTypes, false).node(plan::UnionAll{}, kTypes);
  Property property;
  property.seeds = 50;
  property.row = random_row;
  property.expected = [](const std::vector<Bag>& inputs) {
    Bag result;
    for (const Bag& input : inputs) {
      for (const auto& [row, count] : input) add(result, row, count);
    }
    return result;
  };
  run(test, property);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> elements;
  for (size_t at = 0; list != kNull && at < list.size();) {
    const size_t end = std::min(list.find(';', at), list.size());
    elements.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return elements;
}

TEST(Unnest, GivesARowForEachElementAndPadsTheShorterList) {
  plan::Unnest unnest;
  unnest.kept_columns = {0};
  unnest.list_columns = {1, 2};
  Case test;
  test.input({"VARCHAR", "VARCHAR[]", "BIGINT[]"}, false).node(unnest, {"VARCHAR", "VARCHAR", "BIGINT"});
  Property property;
  property.row = [](Random& random, size_t, uint64_t) {
    auto list = [&](const std::string& prefix) {
      if (random.chance(5)) return std::string(kNull);
      std::string text;
      for (uint64_t i = random.below(4); i > 0; --i) {
        if (!text.empty()) text += ';';
        text += random.chance(6) ? std::string(kNull) : prefix + std::to_string(random.below(9));
      }
      return text;
    };
    return Row{"key " + std::to_string(random.below(3)), list("an element longer than twelve bytes "), list("")};
  };
  property.expected = [](const std::vector<Bag>& inputs) {
    Bag result;
    for (const auto& [row, count] : inputs[0]) {
      const std::vector<std::string> a = split(row[1]), b = split(row[2]);
      for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
        add(result, {row[0], i < a.size() ? a[i] : kNull, i < b.size() ? b[i] : kNull}, count);
      }
    }
    return result;
  };
  run(test, property);
}

TEST(Unnest, LongListsAreCutIntoBatchesAndNestedElementsAreKept) {
  plan::Unnest unnest;
  unnest.list_columns = {0};
  Case test;
  test.input({"BIGINT[]"}, true).node(unnest, {"BIGINT"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  std::string list = "0";
  for (int i = 1; i < 5000; ++i) list += ";" + std::to_string(i);
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{list}, 1}}), out).ok());
  EXPECT_EQ(out.bag.size(), 5000U);

  Case nested;
  nested.input({"STRUCT(a INTEGER, b VARCHAR[])[]"}, true).node(unnest, {"STRUCT(a INTEGER, b VARCHAR[])"});
  batch::BindingDatabase rows("x STRUCT(a INTEGER, b VARCHAR[])[]");
  auto made = nested.make(side);
  class Texts final : public Output {
   public:
    Status push(const batch::Batch& batch) override {
      for (size_t row = 0; row < batch.rows(); ++row) found.push_back(batch.value_text(0, row));
      return {};
    }
    std::vector<std::string> found;
  } texts;
  for (const batch::Batch& batch : rows.rows("SELECT ([{'a': 1, 'b': ['x', NULL]}, NULL, {'a': NULL, 'b': NULL}])")) {
    ASSERT_TRUE(made->push(0, batch, texts).ok());
  }
  EXPECT_EQ(texts.found, (std::vector<std::string>{"{'a': 1, 'b': [x, NULL]}", "NULL", "{'a': NULL, 'b': NULL}"}));
}

}  // namespace
}  // namespace millrace::dataflow::testing
