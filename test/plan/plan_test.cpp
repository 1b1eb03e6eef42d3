#include "plan/plan.h"

#include <gtest/gtest.h>

#include "batch/binding.h"

namespace millrace::plan {
namespace {

batch::BindingDatabase& database() {
  static batch::BindingDatabase made("g BIGINT, key VARCHAR, v BIGINT, o HUGEINT");
  return made;
}

batch::Schema schema(const std::vector<std::string>& types) {
  batch::Schema made;
  for (const std::string& name : types)
    made.fields.push_back({"c" + std::to_string(made.size()), *batch::Type::parse(name)});
  return made;
}

/// One node of every kind; every field differs from its default.
Plan every_kind() {
  Plan plan;
  plan.columns = 2;
  plan.emit_on_window_close = true;
  auto add = [&](Operation operation, std::vector<uint32_t> inputs) {
    Node node;
    node.id = OperatorId(static_cast<uint32_t>(plan.nodes.size()) + 10);
    node.operation = std::move(operation);
    node.inputs = std::move(inputs);
    node.output = schema({"BIGINT", "STRUCT(a INTEGER, b VARCHAR[])", "DECIMAL(9,2)"});
    node.order_column = 2;
    node.watermark_column = 1;
    node.append_only = false;
    node.key = {0, 2};
    plan.nodes.push_back(std::move(node));
  };
  add(Source{"plays",
             {{SourceColumnKind::kField, 3}, {SourceColumnKind::kOrder, 0}, {SourceColumnKind::kWatermark, 0}}},
      {});
  add(Source{"titles", {{SourceColumnKind::kField, 1}}}, {});
  add(Filter{database().expressions("v > 3, key LIKE 'a%'")}, {0});
  add(Project{database().expressions("v + 1, upper(key)")}, {2});
  add(Unnest{{0, 1}, {2}}, {3});
  add(UnionAll{}, {0, 3});
  Aggregate aggregate;
  aggregate.group_columns = {1};
  aggregate.calls = {{AggregateKind::kSum, 2, 3, *batch::Type::parse("HUGEINT"), "sum(x)"},
                     {AggregateKind::kLast, 2, -1, *batch::Type::parse("BIGINT"), "last(x)", 4},
                     {AggregateKind::kStringAgg, 2, -1, *batch::Type::parse("VARCHAR"), "string_agg(x)", 4, "; "}};
  aggregate.general = database().aggregate("count(DISTINCT v)");
  aggregate.general_columns = {0, 2};
  aggregate.window = WindowBound{1, Duration{86400000000}, Duration{-5}, true};
  aggregate.window->close = WindowClose::kRowsBeside;
  add(aggregate, {5});
  add(DistinctOn{{1, 0}, 2}, {6});
  Window window;
  window.partition_columns = {0};
  window.sort_key = 2;
  window.calls = {{WindowKind::kLead, 1, -3, 2, false, *batch::Type::parse("VARCHAR"), "lead(x)"}};
  window.general = database().window("sum(v) OVER (ORDER BY o)");
  add(window, {7});
  Join join;
  join.type = JoinType::kFull;
  join.left_keys = {0};
  join.right_keys = {1};
  join.null_equals_null = {true};
  join.residual = database().expressions("v < g");
  join.left_output = {0, 1};
  join.right_output = {2};
  add(join, {8, 1});
  add(TopN{{1}, 2, WindowKind::kRank, 15, 0, true}, {9});
  add(SetOperation{SetKind::kExceptAll}, {10, 0});
  add(Constant{database().expressions("1, 2, 3, 4, 5, 6"), 2}, {});
  add(AsofJoin{JoinType::kLeft, {0}, {1}, {true}, 2, 1, true, {0}, {1, 2}}, {11, 3});
  add(TemporalJoin{JoinType::kLeft, {0}, {1}, {true}, 2, 1, 3, Duration{7}, {0}, {1, 2}}, {11, 3});
  add(LookupJoin{Join{JoinType::kLeft, {0}, {1}, {false}, {}, {0}, {1, 2}}}, {11, 3});
  window.calls.push_back({WindowKind::kSum, 1, 1, -1, true, *batch::Type::parse("HUGEINT"), "sum(x)", true});
  add(FramedWindow{window, FrameReach{2, 0, -1, INT64_MAX, {{3, -1}, {-1, 4}}, {{1, 3, 0}}}}, {7});
  return plan;
}

TEST(Plan, SurvivesItsStoredForm) {
  const Plan plan = every_kind();
  auto bytes = serialize(plan);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  auto again = deserialize(*bytes, database().session());
  ASSERT_TRUE(again.ok()) << again.error().message;
  ASSERT_EQ(again->nodes.size(), plan.nodes.size());
  EXPECT_EQ(again->columns, plan.columns);
  EXPECT_EQ(again->emit_on_window_close, plan.emit_on_window_close);
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    const Node& was = plan.nodes[i];
    const Node& is = again->nodes[i];
    EXPECT_EQ(is.id, was.id);
    EXPECT_EQ(is.kind(), was.kind());
    EXPECT_EQ(is.inputs, was.inputs);
    EXPECT_EQ(is.output, was.output);
    EXPECT_EQ(is.order_column, was.order_column);
    EXPECT_EQ(is.watermark_column, was.watermark_column);
    EXPECT_EQ(is.append_only, was.append_only);
    EXPECT_EQ(is.key, was.key);
  }
  const auto& aggregate = std::get<Aggregate>(again->nodes[6].operation);
  EXPECT_EQ(aggregate.calls[0].filter, 3);
  EXPECT_EQ(aggregate.window->allowed_lateness.micros, -5);
  const auto& window = std::get<Window>(again->nodes[8].operation);
  EXPECT_EQ(window.calls[0].offset, -3);
  EXPECT_EQ(window.calls[0].text, "lead(x)");
  const auto& framed = std::get<FramedWindow>(again->nodes.back().operation);
  EXPECT_EQ(framed.reach.rows_before, 2);
  EXPECT_EQ(framed.reach.peers_before, -1);
  EXPECT_EQ(framed.reach.ranges[1].last_key, 4);
  EXPECT_TRUE(std::get<Join>(again->nodes[9].operation).null_equals_null[0]);
  EXPECT_EQ(std::get<Filter>(again->nodes[2].operation).predicates[0].text(),
            std::get<Filter>(plan.nodes[2].operation).predicates[0].text());
  // Nothing is lost: what was read is written the same.
  auto twice = serialize(*again);
  ASSERT_TRUE(twice.ok());
  EXPECT_EQ(*twice, *bytes);
}

TEST(Plan, CorruptBytesAreRefused) {
  auto bytes = serialize(every_kind());
  ASSERT_TRUE(bytes.ok());
  for (size_t length = 0; length < bytes->size(); ++length) {
    EXPECT_FALSE(deserialize(std::string_view(*bytes).substr(0, length), database().session()).ok()) << length;
  }
  EXPECT_FALSE(deserialize(*bytes + "x", database().session()).ok());
  std::string newer = *bytes;
  newer[4] = 2;
  auto refused = deserialize(newer, database().session());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("version"), std::string::npos);
  EXPECT_FALSE(refused.error().hint.empty());
}

TEST(Plan, KnowsItsRelationsAndWhatNeedsState) {
  Plan plan = every_kind();
  EXPECT_EQ(plan.relations(), (std::vector<std::string>{"plays", "titles"}));
  EXPECT_EQ(plan.schema().size(), 2U);
  EXPECT_FALSE(plan.stateless());
  plan.nodes.resize(6);
  EXPECT_TRUE(plan.stateless());
}

TEST(Plan, RowsAreBroughtTogetherByTheKeysOfTheirOperator) {
  const Plan plan = every_kind();
  EXPECT_EQ(exchange_columns(plan.nodes[6], 0), (std::vector<uint32_t>{1}));
  EXPECT_EQ(exchange_columns(plan.nodes[7], 0), (std::vector<uint32_t>{1, 0}));
  EXPECT_EQ(exchange_columns(plan.nodes[8], 0), (std::vector<uint32_t>{0}));
  EXPECT_EQ(exchange_columns(plan.nodes[9], 0), (std::vector<uint32_t>{0}));
  EXPECT_EQ(exchange_columns(plan.nodes[9], 1), (std::vector<uint32_t>{1}));
  EXPECT_EQ(exchange_columns(plan.nodes[10], 0), (std::vector<uint32_t>{1}));
}

}  // namespace
}  // namespace millrace::plan
