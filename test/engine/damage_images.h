// Small data directories with every kind of file, and what a node on them must answer. Nothing of it leaves the
// process that made it: a test makes an image in a child (child_process.h) and carries the bytes over.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/simulated_env.h"
#include "engine/node.h"

namespace millrace::engine {

using Files = std::map<std::string, std::string>;

enum class Image : uint8_t {
  kStopped,    ///< stopped cleanly
  kKilled,     ///< killed, with acked events that no commit has seen
  kBounded,    ///< a bounded run that came to its end: loaded, delivered, stopped
  kCompacted,  ///< stopped cleanly, and a table's log is compacted
};
inline constexpr Image kImages[] = {Image::kStopped, Image::kKilled, Image::kBounded, Image::kCompacted};
const char* name_of(Image image);

/// All files below "/", which are of the data directory "/data", its savepoint, a file sink and a loaded file.
Files make_image(Image image);

void collect(SimulatedEnv& env, const std::string& directory, Files& out);
void lay_out(SimulatedEnv& env, const Files& files);

/// A node on files that were laid out, at the time at which the images end.
class ImageNode {
 public:
  explicit ImageNode(SimulatedEnv& env);
  Status open();
  Status stop();

  Node& node() { return *node_; }

  /// What every stream, table, view and companion holds, a retried request, the ledger, and what the sink's files add
  /// up to: one paragraph each. "error: …" in place of what cannot be answered.
  std::string answers();
  /// The views are what DuckDB computes from the streams as they are: empty, or which one is not.
  std::string contradiction();
  /// Rows of the stream that the commits of `Image::kKilled` had seen.
  std::string committed_rows();

 private:
  std::string query(const std::string& sql);

  SimulatedEnv& env_;
  Metrics metrics_;
  std::unique_ptr<Node> node_;
};

inline bool is_error(const std::string& answers) { return answers.find("error: ") != std::string::npos; }

}  // namespace millrace::engine
