#include "engine/damage_images.h"

#include <gtest/gtest.h>

#include "base/paths.h"
#include "formats/encoder.h"

namespace millrace::engine {
namespace {

constexpr const char* kPipeline = R"(
  CREATE STREAM s (id BIGINT, k INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL 1 MINUTE)
    WITH (partitions = 3, key = 'k');
  CREATE STREAM recent (id BIGINT) WITH (retention = '3 days');
  CREATE STREAM history (id BIGINT, k INTEGER) WITH (load = '/history.ndjson');
  CREATE TABLE names (k INTEGER PRIMARY KEY, name VARCHAR);
  CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS n, sum(id)::BIGINT AS total FROM s GROUP BY k;
  CREATE MATERIALIZED VIEW named AS SELECT c.k, t.name, c.n FROM counts c LEFT JOIN names t USING (k);
  CREATE MATERIALIZED VIEW hourly AS
    SELECT window_start, count(*) AS n FROM tumble(s, ts, INTERVAL 1 HOUR) GROUP BY window_start EMIT ON WINDOW CLOSE;
  CREATE MATERIALIZED VIEW numbers AS SELECT id, name::INTEGER AS number FROM s JOIN names USING (k);
  CREATE MATERIALIZED VIEW days AS SELECT count(*) AS n, sum(id)::BIGINT AS total FROM recent;
  CREATE MATERIALIZED VIEW loaded AS SELECT k, count(*) AS n FROM history GROUP BY k;
  CREATE SINK out FROM counts WITH (connector = 'file', path = '/out', format = 'json', mode = 'changes');
  CREATE MATERIALIZED VIEW costs AS SELECT price % 3 AS m, count(*) AS n FROM prices GROUP BY m;)";

std::string pipeline_of(Image image) {
  const std::string policy = image == Image::kCompacted ? "WITH (cleanup_policy = 'compact')" : "";
  return "CREATE TABLE prices (k INTEGER PRIMARY KEY, price INTEGER) " + policy + ";" + kPipeline;
}

constexpr const char* kRelations[] = {
    "SELECT *, _partition, _offset FROM s ORDER BY ALL",
    "SELECT *, _offset FROM recent ORDER BY ALL",
    "SELECT *, _offset FROM history ORDER BY ALL",
    "SELECT * FROM names ORDER BY ALL",
    "SELECT * FROM prices ORDER BY ALL",
    "SELECT * FROM costs ORDER BY ALL",
    "SELECT * FROM counts ORDER BY ALL",
    "SELECT * FROM named ORDER BY ALL",
    "SELECT * FROM hourly ORDER BY ALL",
    "SELECT * FROM numbers ORDER BY ALL",
    "SELECT * FROM days ORDER BY ALL",
    "SELECT * FROM loaded ORDER BY ALL",
    "SELECT * FROM s_dead ORDER BY ALL",
    "SELECT * FROM hourly_late ORDER BY ALL",
    "SELECT * FROM numbers_error ORDER BY ALL",
};

/// A view, and the same over what is stored.
constexpr const char* kSame[][2] = {
    {"SELECT * FROM counts ORDER BY ALL",
     "SELECT k, count(*) AS n, sum(id)::BIGINT AS total FROM s GROUP BY k ORDER BY ALL"},
    {"SELECT * FROM named ORDER BY ALL",
     "SELECT c.k, t.name, c.n FROM (SELECT k, count(*) AS n FROM s GROUP BY k) c LEFT JOIN names t USING (k) ORDER BY "
     "ALL"},
    {"SELECT * FROM numbers ORDER BY ALL",
     "SELECT id, TRY_CAST(name AS INTEGER) AS number FROM s JOIN names USING (k) WHERE TRY_CAST(name AS INTEGER) IS "
     "NOT NULL ORDER BY ALL"},
    {"SELECT * FROM costs ORDER BY ALL", "SELECT price % 3 AS m, count(*) AS n FROM prices GROUP BY m ORDER BY ALL"},
    {"SELECT * FROM loaded ORDER BY ALL", "SELECT k, count(*) AS n FROM history GROUP BY k ORDER BY ALL"},
};

constexpr Duration kDay = Duration::from_seconds(25 * 3600);  // longer than a segment may grow
constexpr int kDays = 6;
constexpr int kRowsADay = 12;

std::string event(int id, int day) {
  const std::string minute = std::to_string(10 + id % 50);
  return "{\"id\":" + std::to_string(id) + ",\"k\":" + std::to_string(id % 7) + ",\"ts\":\"2025-01-0" +
         std::to_string(day + 1) + "T0" + std::to_string(id % 9) + ":" + minute + ":00Z\"}";
}

void send(Node& node, const std::string& stream, const std::vector<std::string>& lines, const std::string& key = {}) {
  AppendRequest request;
  request.idempotency_key = key;
  const auto receipt = node.append(stream, std::vector<std::string_view>(lines.begin(), lines.end()), request);
  MR_CHECK(receipt.ok(), "the image takes what it is sent");
}

/// A day's events, most of them committed step by step.
void work(SimulatedEnv& env, Node& node, int day) {
  env.clock().advance(kDay);
  for (int request = 0; request < 2; ++request) {
    std::vector<std::string> lines;
    for (int i = 0; i < kRowsADay / 2; ++i) lines.push_back(event(day * kRowsADay + request * kRowsADay / 2 + i, day));
    if (request == 0) lines.push_back(day % 2 == 1 ? event(1000 + day, 0) : "{\"id\":");  // late, or not JSON
    send(node, "s", lines, "day" + std::to_string(day) + "-" + std::to_string(request));
    send(node, "recent", {"{\"id\":" + std::to_string(day * 10 + request) + "}"});
    MR_CHECK(node.sync().ok(), "the image's steps run");
  }
  const std::string name = day % 3 == 0 ? "'number " + std::to_string(day) + "'" : "'" + std::to_string(day) + "'";
  MR_CHECK(node.execute("INSERT INTO names VALUES (" + std::to_string(day) + ", " + name + ")").ok(), "a table's row");
  for (int k = 0; k < 4; ++k) {
    const std::string row = "(" + std::to_string(k) + ", " + std::to_string(day * 4 + k) + ")";
    MR_CHECK(node.execute("INSERT INTO prices VALUES " + row).ok(), "a row that replaces another");
  }
  MR_CHECK(node.sync().ok(), "the image's steps run");
}

}  // namespace

const char* name_of(Image image) {
  switch (image) {
    case Image::kStopped: return "stopped";
    case Image::kKilled: return "killed";
    case Image::kBounded: return "bounded";
    case Image::kCompacted: return "compacted";
  }
  return "";
}

ImageNode::ImageNode(SimulatedEnv& env) : env_(env) {}

Status ImageNode::open() {
  NodeOptions options;
  options.data_directory = "/data";
  options.workers = 1;
  options.checkpoint_dirty_bytes = 2000;
  MR_ASSIGN(node_, Node::open(env_, metrics_, options));
  return node_->start();
}

Status ImageNode::stop() { return node_->stop(); }

std::string ImageNode::query(const std::string& sql) {
  const auto result = node_->execute(sql);
  if (!result.ok()) return "error: " + render(result.error()) + "\n";
  std::string out;
  for (const auto& batch : result->batches) formats::encode_csv(result->schema, batch, ',', out);
  return out;
}

std::string ImageNode::answers() {
  const Status synced = node_->sync();
  if (!synced.ok()) return "error: " + render(synced.error());
  std::string out;
  for (const char* sql : kRelations) out += std::string(sql) + "\n" + query(sql);
  // A request that was acked long ago, once more.
  AppendRequest again;
  again.idempotency_key = "day0-1";
  const std::string line = event(kRowsADay / 2, 0);
  const auto receipt = node_->append("s", {line}, again);
  const Status status = node_->sync();
  out += "again: " + (receipt.ok() ? std::to_string(receipt->positions.size()) : receipt.error().message) + "\n";
  out += status.ok() ? query("SELECT count(*) FROM s") : "error: " + render(status.error());
  out += node_->ledger_report().closed ? "books: closed\n" : "books: open\n";
  const Status finished = node_->finish_bounded();
  if (!finished.ok()) return out + "error: " + render(finished.error());
  Files sent;
  collect(env_, "/out", sent);
  std::map<std::string, int> rows;  // what the delivered changes add up to
  for (const auto& [path, bytes] : sent) {
    for (size_t at = 0; at < bytes.size();) {
      const size_t end = bytes.find('\n', at);
      const std::string change = bytes.substr(at, end - at);
      at = end + 1;
      const size_t row = change.find("\"k\"");
      rows[change.substr(row)] += change.find("\"+") != std::string::npos ? 1 : -1;
    }
  }
  out += "delivered:\n";
  for (const auto& [row, times] : rows) {
    if (times != 0) out += row + " x " + std::to_string(times) + "\n";
  }
  return out;
}

std::string ImageNode::contradiction() {
  for (const auto& [view, stored] : kSame) {
    const std::string is = query(view);
    const std::string should = query(stored);
    if (is != should) return std::string(view) + ":\n" + is + "and not:\n" + should;
  }
  return {};
}

std::string ImageNode::committed_rows() {
  return query("SELECT * FROM s WHERE id < " + std::to_string(kDays * kRowsADay) + " OR id > 999 ORDER BY ALL");
}

Files make_image(Image image) {
  SimulatedEnv env(7);
  std::string history;
  for (int i = 0; i < 20; ++i) {
    history += "{\"id\":" + std::to_string(i) + ",\"k\":" + std::to_string(i % 3) + "}\n";
  }
  MR_CHECK(env.files().write_atomically("/history.ndjson", history).ok(), "a file is written");
  for (int life = 0; life < 3; ++life) {
    ImageNode running(env);
    Status opened = running.open();
    if (opened.ok() && life == 0) opened = running.node().apply_pipeline(pipeline_of(image), "/", {});
    MR_CHECK(opened.ok(), render(opened.error()));
    for (int day = life * 2; day < life * 2 + 2; ++day) work(env, running.node(), day);
    if (life == 1) MR_CHECK(running.node().create_savepoint("one").ok(), "a savepoint is made");
    if (life == 2 && image == Image::kBounded) MR_CHECK(running.node().finish_bounded().ok(), "the run ends");
    if (life == 2 && image == Image::kKilled) {
      // Acked, and in no commit; each partition in two groups.
      for (int id = 500; id < 512; id += 6) {
        std::vector<std::string> lines;
        for (int i = id; i < id + 6; ++i) lines.push_back(event(i, kDays - 1));
        send(running.node(), "s", lines);
      }
      env.crash();
    } else {
      MR_CHECK(running.stop().ok(), "the node stops");
    }
  }
  if (image == Image::kKilled) env.restart();
  Files files;
  collect(env, "/", files);
  return files;
}

void collect(SimulatedEnv& env, const std::string& directory, Files& out) {
  const auto listed = env.files().list(directory);
  if (!listed.ok()) return;
  for (const FileInfo& file : *listed) {
    const std::string path = (directory == "/" ? "" : directory) + "/" + file.name;
    if (file.is_directory)
      collect(env, path, out);
    else
      out[path] = *env.files().read_all(path);
  }
}

void lay_out(SimulatedEnv& env, const Files& files) {
  env.clock().advance(Duration{kDays * kDay.micros});
  for (const auto& [path, bytes] : files) {
    MR_CHECK(env.files().create_directories(parent_path(path)).ok(), "a directory is made");
    MR_CHECK(env.files().write_atomically(path, bytes).ok(), "a file is written");
  }
}

}  // namespace millrace::engine
