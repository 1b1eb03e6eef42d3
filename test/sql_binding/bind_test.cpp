// SELECT → plan: which operators come out, in which form, and what is refused.
#include "sql/bind.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace millrace::sql {
namespace {

using batch::Type;
using batch::TypeId;

class TestRelations final : public RelationResolver {
 public:
  TestRelations() {
    RelationInfo events;
    events.name = "events";
    events.schema.fields = {{"id", Type(TypeId::kBigint)},      {"session", Type(TypeId::kVarchar)},
                            {"seq", Type(TypeId::kInteger)},    {"amount", Type(TypeId::kInteger)},
                            {"price", Type(TypeId::kDouble)},   {"ts", Type(TypeId::kTimestamp)},
                            {"tags", *Type::parse("VARCHAR[]")}};
    events.watermark_column = 5;
    relations_.push_back(events);
    RelationInfo titles;
    titles.name = "titles";
    titles.kind = RelationKind::kTable;
    titles.schema.fields = {{"id", Type(TypeId::kBigint)}, {"title", Type(TypeId::kVarchar)}};
    titles.append_only = false;
    titles.key = {0};
    relations_.push_back(titles);
    RelationInfo plain;
    plain.name = "big";
    plain.kind = RelationKind::kView;
    plain.view_query = "SELECT * FROM events WHERE amount > 100";
    relations_.push_back(plain);
  }
  std::optional<RelationInfo> find(std::string_view name) const override {
    for (const auto& relation : relations_) {
      if (iequals(relation.name, name)) return relation;
    }
    return std::nullopt;
  }
  std::string suggestion(std::string_view) const override { return "did you mean events?"; }
  Result<std::unique_ptr<RelationReader>> read(std::string_view) const override {
    return internal_error("nothing to read");
  }

 private:
  std::vector<RelationInfo> relations_;
};

class BindTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = batch::SqlInstance::open({}, register_functions);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    instance_ = std::move(opened).value();
    session_ = std::make_unique<batch::Session>(*instance_);
  }

  Result<plan::Plan> bind(std::string_view query, ViewOptions options = {}) {
    return bind_view(*session_, relations_, query, options);
  }
  /// The plan as EXPLAIN shows it, or the error.
  std::string explained(std::string_view query, ViewOptions options = {}) {
    auto plan = bind(query, options);
    return plan.ok() ? explain(*plan) : "error: " + render(plan.error(), query);
  }

  TestRelations relations_;
  std::unique_ptr<batch::SqlInstance> instance_;
  std::unique_ptr<batch::Session> session_;
};

TEST_F(BindTest, ProjectsAndFilters) {
  auto plan = bind("SELECT id + 1 AS next, upper(session) AS s FROM events WHERE amount > 3");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_TRUE(plan->stateless());
  EXPECT_EQ(plan->columns, 2u);
  EXPECT_EQ(plan->schema()[0].name, "next");
  EXPECT_TRUE(plan->root().append_only);
}

TEST_F(BindTest, FastAggregate) {
  std::string text = explained(
      "SELECT session, count(*), sum(amount), min(amount), max(ts), avg(amount) FROM events GROUP BY session");
  EXPECT_NE(text.find("[fast: a running result]"), std::string::npos) << text;
}

TEST_F(BindTest, GeneralAggregate) {
  std::string text =
      explained("SELECT session, list(amount), median(price), count(DISTINCT id) FROM events GROUP BY session");
  EXPECT_NE(text.find("[general"), std::string::npos) << text;
}

TEST_F(BindTest, ExplainNamesTheOneGlobalGroup) {
  // Of these a step may read more than the rows' own groups; every other form reads by key.
  for (const std::string query : {"SELECT id, amount FROM events ORDER BY amount DESC LIMIT 10",
                                  "SELECT count(*) FROM events", "SELECT median(price) FROM events"}) {
    const std::string text = explained(query);
    EXPECT_NE(text.find("(one global group)"), std::string::npos) << query << "\n" << text;
  }
  const std::string keyed = explained("SELECT session, median(price) FROM events GROUP BY session");
  EXPECT_EQ(keyed.find("global group"), std::string::npos) << keyed;
}

TEST_F(BindTest, DistinctOnKeepsTheFirstArrival) {
  auto plan = bind("SELECT DISTINCT ON (session, seq) session, seq, amount FROM events");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  bool found = false;
  for (const auto& node : plan->nodes) {
    if (!std::holds_alternative<plan::DistinctOn>(node.operation)) continue;
    found = true;
    EXPECT_GE(node.order_column, 0) << explain(*plan);
  }
  EXPECT_TRUE(found) << explain(*plan);
  EXPECT_EQ(plan->root().key.size(), 2u);
}

TEST_F(BindTest, WindowKernelsAndGeneral) {
  std::string lead = explained("SELECT session, lead(ts) OVER (PARTITION BY session ORDER BY seq) AS n FROM events");
  EXPECT_NE(lead.find("[kernel"), std::string::npos) << lead;
  std::string sum = explained(
      "SELECT session, sum(amount) OVER (PARTITION BY session ORDER BY seq ROWS 2 PRECEDING) AS n FROM events");
  EXPECT_NE(sum.find("[frame: a change reads the rows"), std::string::npos) << sum;
  auto two = bind(
      "SELECT id, rank() OVER (PARTITION BY session ORDER BY amount) AS a, row_number() OVER (ORDER BY price DESC) AS "
      "b, seq FROM events");
  ASSERT_TRUE(two.ok()) << two.error().message;
  EXPECT_EQ(two->schema()[1].name, "a");
  EXPECT_EQ(two->schema()[2].name, "b");
  EXPECT_EQ(two->schema()[3].name, "seq");
}

TEST_F(BindTest, RanksUpToABoundAreFirstRows) {
  // QUALIFY by an alias binds the call twice; a call written out as a column and in QUALIFY is one as well.
  for (const char* query :
       {"SELECT id, row_number() OVER (PARTITION BY session ORDER BY amount) AS place FROM events QUALIFY place <= 10",
        "SELECT id, rank() OVER (PARTITION BY session ORDER BY amount) AS a, "
        "rank() OVER (PARTITION BY session ORDER BY amount) AS b FROM events QUALIFY a < 11 AND b > 2",
        "SELECT id FROM events QUALIFY row_number() OVER (PARTITION BY session ORDER BY amount) BETWEEN 2 AND 10"}) {
    const std::string plan = explained(query);
    EXPECT_NE(plan.find("up to 10 by session"), std::string::npos) << plan;
  }
  const std::string two = explained(
      "SELECT id, rank() OVER (PARTITION BY session ORDER BY amount) AS a, "
      "row_number() OVER (PARTITION BY session ORDER BY amount) AS b FROM events QUALIFY b <= 10");
  EXPECT_EQ(two.find("TopN"), std::string::npos) << two;
}

TEST_F(BindTest, JoinsKeepKeys) {
  auto plan =
      bind("SELECT e.id, t.title FROM events e LEFT JOIN titles t ON e.id = t.id WHERE t.id IS NULL OR t.title <> 'x'");
  ASSERT_TRUE(plan.ok()) << render(plan.error());
  auto inner = bind("SELECT e.seq, t.title FROM events e JOIN titles t USING (id)");
  ASSERT_TRUE(inner.ok()) << render(inner.error());
}

TEST_F(BindTest, UnnestAndUnion) {
  auto plan = bind("SELECT id, unnest(tags) AS tag FROM events UNION ALL SELECT id, session FROM big");
  ASSERT_TRUE(plan.ok()) << render(plan.error());
  EXPECT_TRUE(plan->stateless());
}

TEST_F(BindTest, TumbleBoundsAGroup) {
  ViewOptions options;
  options.emit_on_window_close = true;
  auto plan = bind(
      "SELECT session, window_start, count(*) AS n FROM tumble(events, ts, INTERVAL 1 DAY) GROUP BY session, "
      "window_start",
      options);
  ASSERT_TRUE(plan.ok()) << render(plan.error());
  bool found = false;
  for (const auto& node : plan->nodes) {
    const auto* aggregate = std::get_if<plan::Aggregate>(&node.operation);
    if (!aggregate) continue;
    found = true;
    ASSERT_TRUE(aggregate->window.has_value());
    EXPECT_EQ(aggregate->window->end_offset.micros, 86400000000);
    EXPECT_TRUE(aggregate->window->emit_on_close);
    EXPECT_GE(plan->nodes[node.inputs[0]].watermark_column, 0);
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(
      bind("SELECT window_end, sum(amount) AS s FROM tumble(events, INTERVAL 1 HOUR) GROUP BY window_end").ok());
  EXPECT_FALSE(bind("SELECT count(*) FROM tumble(events, ts, INTERVAL 1 MONTH) GROUP BY window_start").ok());
}

TEST_F(BindTest, MetaColumnsAreHiddenButReadable) {
  auto plan = bind("SELECT id, _offset, _partition, _append_time, _message_id FROM events");
  ASSERT_TRUE(plan.ok()) << render(plan.error());
  auto star = bind("SELECT * FROM events");
  ASSERT_TRUE(star.ok());
  EXPECT_EQ(star->columns, 7u);
  EXPECT_FALSE(bind("SELECT _offset FROM titles").ok());
}

TEST_F(BindTest, RefusesWhatCannotBeKept) {
  for (const char* query : {"SELECT random() AS r FROM events", "SELECT id, now() AS t FROM events",
                            "SELECT * FROM events WHERE ts > current_timestamp"}) {
    auto plan = bind(query);
    ASSERT_FALSE(plan.ok()) << query;
    EXPECT_EQ(plan.error().code, sqlstate::kNotSupported) << plan.error().message;
    EXPECT_TRUE(plan.error().position.has_value()) << query;
    EXPECT_FALSE(plan.error().hint.empty()) << query;
  }
  EXPECT_FALSE(bind("SELECT id FROM events LIMIT 3").ok());
  EXPECT_FALSE(bind("SELECT * FROM read_csv('x.csv')").ok());
  EXPECT_FALSE(bind("WITH RECURSIVE r AS (SELECT id FROM events UNION ALL SELECT id + 1 FROM r) FROM r").ok());
}

TEST_F(BindTest, ErrorsPointIntoTheText) {
  ViewOptions options;
  options.text_offset = 100;
  auto plan = bind("SELECT nothing FROM events", options);
  ASSERT_FALSE(plan.ok());
  ASSERT_TRUE(plan.error().position.has_value()) << plan.error().message;
  EXPECT_EQ(plan.error().position->offset, 107u);
  auto unknown = bind("SELECT 1 FROM evnts");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().hint, "did you mean events?") << unknown.error().message;
}

TEST_F(BindTest, PlansRoundTripThroughTheirBytes) {
  for (const char* query :
       {"SELECT session, lead(ts) OVER (PARTITION BY session ORDER BY seq) AS n FROM events",
        "SELECT session, list(amount ORDER BY price DESC) AS l, quantile_cont(price, 0.5) AS q FROM events GROUP BY "
        "session",
        "SELECT e.seq, t.title FROM events e JOIN titles t USING (id)", "SELECT id, unnest(tags) AS tag FROM events",
        "SELECT DISTINCT ON (session) session, amount FROM events ORDER BY session, ts DESC"}) {
    auto plan = bind(query);
    ASSERT_TRUE(plan.ok()) << query << render(plan.error());
    auto bytes = plan::serialize(*plan);
    ASSERT_TRUE(bytes.ok()) << query << bytes.error().message;
    auto again = plan::deserialize(*bytes, *session_);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(explain(*again), explain(*plan));
  }
}

TEST_F(BindTest, BindsScalars) {
  batch::Schema schema = relations_.find("events")->schema;
  auto watermark = bind_scalar(*session_, schema, "ts - INTERVAL 30 SECOND", Type(TypeId::kTimestamp));
  ASSERT_TRUE(watermark.ok()) << render(watermark.error());
  EXPECT_EQ(watermark->columns_read(), std::vector<uint32_t>{5});
  EXPECT_TRUE(bind_scalar(*session_, schema, "ts", Type(TypeId::kTimestamp)).ok());
}

}  // namespace
}  // namespace millrace::sql
