// Where a file sink writes and how, from its options. Private to connectors/file/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "connectors/file/row_file.h"
#include "connectors/sink.h"

namespace millrace::connectors::file {

struct Destination {
  std::string directory;
  std::string stem;    ///< files are called after it: the view's name, or that of the file that `path` names
  std::string ending;  ///< ".parquet", ".csv.gz", …
  RowFileOptions rows;

  /// Of mode snapshot.
  std::string snapshot_path() const;
  /// What holds the rows of changelog offsets [first, last]: "hours-00000000000000000000-00000000000000000041.parquet".
  std::string part_path(int64_t first, int64_t last) const;
  /// Of a file called so, its last offset; nothing for all other names.
  std::optional<int64_t> last_offset_of(std::string_view file_name) const;
  /// The one name under which files are made; hidden, and never taken for a finished one.
  std::string temporary_name() const;
  std::string temporary_path() const;
};

/// Fails with kInvalidParameter or kNotSupported for what files cannot be.
Result<Destination> find_destination(const SinkSetup& setup);

}  // namespace millrace::connectors::file
