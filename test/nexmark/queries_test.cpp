// Every query of examples/nexmark, kept up to date over events that come in pieces of random size, with a restart and
// another number of workers in between, equals DuckDB's answer over the same rows. The oracle is the node's own SELECT,
// which DuckDB runs over the stored events: the view's text or, where that leaves something open or uses what DuckDB
// does not have (windows of time), a text with the same meaning from below. MILLRACE_NEXMARK_EVENTS=n: so many (8000).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "connectors/nexmark/source.h"
#include "engine/node_fixture.h"

namespace millrace::engine {
namespace {

namespace nexmark = connectors::nexmark;

constexpr int kQueries = 24;

const char* kBidInOrder =
    "WITH bid AS (SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, dateTime, bid.extra, _offset AS "
    "place "
    "FROM nexmark WHERE event_type = 2) ";

/// Of rows that are equal in the order that a query asks for, the one that came first goes first.
const std::map<int, std::string> kOracles = {
    {5, R"(WITH counts AS (
         SELECT auction, count(*) AS num, w
         FROM (SELECT auction, time_bucket(INTERVAL 2 SECOND, dateTime) - i * INTERVAL 2 SECOND AS w
               FROM bid, (SELECT unnest(range(5)) AS i)) GROUP BY auction, w)
       SELECT c.auction, c.num FROM counts c JOIN (SELECT max(num) AS maxn, w FROM counts GROUP BY w) m
         ON c.w = m.w AND c.num >= m.maxn)"},
    {6, std::string(kBidInOrder) + R"(
       SELECT seller, id, avg(price) OVER (PARTITION BY seller ORDER BY dateTime, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
       FROM (SELECT a.id, a.seller, b.price, b.dateTime
             FROM auction a JOIN bid b ON a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires
             QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.dateTime, b.place) = 1))"},
    {7, R"(SELECT b.auction, b.price, b.bidder, b.dateTime, b.extra
       FROM bid b JOIN (SELECT max(price) AS maxprice, time_bucket(INTERVAL 10 SECOND, dateTime) AS w FROM bid GROUP BY w) m
         ON b.price = m.maxprice
       WHERE b.dateTime >= m.w AND b.dateTime <= m.w + INTERVAL 10 SECOND)"},
    {8, R"(SELECT p.id, p.name, p.w
       FROM (SELECT DISTINCT id, name, time_bucket(INTERVAL 10 SECOND, dateTime) AS w FROM person) p
       JOIN (SELECT DISTINCT seller, time_bucket(INTERVAL 10 SECOND, dateTime) AS w FROM auction) a
         ON p.id = a.seller AND p.w = a.w)"},
    {9, std::string(kBidInOrder) + R"(
       SELECT a.*, b.auction, b.bidder, b.price, b.dateTime, b.extra
       FROM auction a JOIN bid b ON a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires
       QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.dateTime, b.place) = 1)"},
    {11, R"(SELECT bidder, count(*), min(dateTime), max(dateTime) + INTERVAL 10 SECOND
       FROM (SELECT bidder, dateTime, sum(first) OVER (PARTITION BY bidder ORDER BY dateTime ROWS UNBOUNDED PRECEDING) AS s
             FROM (SELECT bidder, dateTime, CASE WHEN dateTime < lag(dateTime) OVER (PARTITION BY bidder ORDER BY dateTime)
                                                                 + INTERVAL 10 SECOND THEN 0 ELSE 1 END AS first FROM bid))
       GROUP BY bidder, s)"},
    {12, R"(SELECT bid.bidder, count(*), time_bucket(INTERVAL 10 SECOND, _append_time) AS w, w + INTERVAL 10 SECOND
       FROM nexmark WHERE event_type = 2 GROUP BY 1, 3)"},
    {18, std::string(kBidInOrder) + R"(
       SELECT auction, bidder, price, channel, url, dateTime, extra FROM bid
       QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC, place) = 1)"},
    {19, std::string(kBidInOrder) + R"(
       SELECT auction, bidder, price, channel, url, dateTime, extra,
              row_number() OVER (PARTITION BY auction ORDER BY price DESC, place) AS rank_number FROM bid
       QUALIFY rank_number <= 10)"},
};

std::string example(const std::string& name) {
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  std::ifstream file(std::string(source ? source : ".") + "/examples/nexmark/" + name + ".sql");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << "no example " << name;
  return text.str();
}

std::string name_of(int query) { return "q" + std::to_string(query); }

/// The SELECT of the view in an example's text.
std::string select_of(const std::string& text, int query) {
  const std::string before = "CREATE MATERIALIZED VIEW " + name_of(query) + " AS";
  const size_t begin = text.find(before) + before.size();
  return text.substr(begin, text.find(';', begin) - begin);
}

class NexmarkQueries : public NodeFixture {
 protected:
  using Bag = std::map<std::string, int64_t>;

  void create_all() {
    ok(node_->apply_pipeline(example("streams"), directory_, {{"events", "0"}}));
    for (int query = 0; query < kQueries; ++query) {
      const std::string text = example(name_of(query));
      Status created = node_->apply_pipeline(text, directory_, {});
      ASSERT_TRUE(created.ok()) << render(created.error(), text);
      auto oracle = kOracles.find(query);
      oracles_[query] = oracle == kOracles.end() ? select_of(text, query) : oracle->second;
    }
    sql("INSERT INTO side_input SELECT i, 'value-' || i FROM range(10000) r(i) WHERE i % 3 <> 0");
  }

  Bag rows_of(const std::string& text) {
    Bag bag;
    auto result = node_->execute(text);
    EXPECT_TRUE(result.ok()) << render(result.error(), text);
    if (!result.ok()) return bag;
    for (const batch::Batch& batch : result->batches) {
      for (size_t row = 0; row < batch.rows(); ++row) {
        std::string values;
        for (size_t column = 0; column < batch.columns(); ++column) {
          std::string value = batch.value_text(column, row);
          if (batch.type(column).id() == batch::TypeId::kDouble && value != "NULL") {
            char rounded[32];
            std::snprintf(rounded, sizeof rounded, "%.9g", std::strtod(value.c_str(), nullptr));
            value = rounded;
          }
          values += value + " | ";
        }
        ++bag[values];
      }
    }
    return bag;
  }

  void compare(int query, bool must_have_rows) {
    const Bag found = rows_of("SELECT * FROM " + name_of(query));
    const Bag wanted = rows_of(oracles_[query]);
    if (must_have_rows) {
      EXPECT_FALSE(wanted.empty()) << name_of(query);
    }
    if (found == wanted) return;
    int shown = 0;
    std::string text;
    for (const auto& [row, count] : wanted) {
      auto at = found.find(row);
      if ((at == found.end() || at->second != count) && ++shown <= 5) text += "\nmissing:    " + row;
    }
    for (const auto& [row, count] : found) {
      auto at = wanted.find(row);
      if ((at == wanted.end() || at->second != count) && ++shown <= 10) text += "\nunexpected: " + row;
    }
    ADD_FAILURE() << name_of(query) << ", " << found.size() << " rows for " << wanted.size() << ":" << text;
  }

  /// Sends the events with the numbers from next_ on.
  void send_until(uint64_t end, std::mt19937_64& random) {
    while (next_ < end && !HasFatalFailure()) {
      std::vector<std::string> lines;
      for (uint64_t count = 1 + random() % 1500; count > 0 && next_ < end; --count, ++next_) {
        char line[nexmark::kLineMax];
        const char* stop = write_event(*generator_, generator_->id_at(next_), nexmark::Form::kAll, line);
        lines.emplace_back(line, static_cast<size_t>(stop - line) - 1);
      }
      send("nexmark", lines);
      if (random() % 2 == 0) ok(node_->sync());
    }
    ok(node_->sync());
  }

  void run(const nexmark::Options& options, uint64_t seed) {
    const char* wanted = std::getenv("MILLRACE_NEXMARK_EVENTS");
    const uint64_t events = wanted ? std::strtoull(wanted, nullptr, 10) : 8000;
    auto generator = nexmark::Generator::create(options);
    ASSERT_TRUE(generator.ok());
    generator_ = std::make_unique<nexmark::Generator>(std::move(generator).value());
    std::mt19937_64 random(seed);
    open(/*start=*/false);
    create_all();
    if (HasFatalFailure()) return;
    ok(node_->start());
    for (int third = 1; third <= 3; ++third) {
      send_until(events * static_cast<uint64_t>(third) / 3, random);
      for (const auto& [query, oracle] : oracles_) compare(query, third == 3);
      workers_ = 1 + third % 2;
      if (third < 3) open();
    }
    EXPECT_EQ(oracles_.size(), static_cast<size_t>(kQueries));
  }

  std::unique_ptr<nexmark::Generator> generator_;
  std::map<int, std::string> oracles_;
  uint64_t next_ = 0;
};

TEST_F(NexmarkQueries, EqualDuckDB) {
  nexmark::Options options;
  options.rate = 400;
  run(options, 1);
}

TEST_F(NexmarkQueries, EqualDuckDBOverEventsOutOfOrder) {
  nexmark::Options options;
  options.rate = 400;
  options.group = 100;
  options.seed = 2;
  workers_ = 2;
  run(options, 2);
}

}  // namespace
}  // namespace millrace::engine
