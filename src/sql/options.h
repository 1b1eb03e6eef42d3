// The WITH options of streams, tables, views and sinks: which ones exist, and the values a statement gave them.
//
// A connector or format is one OptionGroup of plain data, handed to OptionRegistry::add_… once at start. The registry
// owns no connector; sql/ only checks texts against it. Read-only after start, so any thread may read it.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "sql/statement.h"

namespace millrace::sql {

enum class OptionKind : uint8_t {
  kText,
  kInteger,
  kDuration,  ///< '7 days', '10s', '1 hour 30 minutes'; 'none' is no limit
  kSize,      ///< bytes: 1048576, '64 MB' (10^6), '64 MiB' (2^20)
  kBoolean,   ///< true, false, on, off
  kEnum,      ///< one of `choices`
  kColumn,    ///< the name of a column
  kColumns,   ///< names of columns, with commas between them
};

struct OptionSpec {
  std::string name;  ///< in lower case
  OptionKind kind = OptionKind::kText;
  std::string default_text;  ///< as a user would write it; empty: no value unless given
  std::string doc;           ///< one line
  std::vector<std::string> choices = {};
  bool required = false;
  int64_t minimum = std::numeric_limits<int64_t>::min();  ///< of kInteger, kSize (bytes) and kDuration (microseconds)
  int64_t maximum = std::numeric_limits<int64_t>::max();
};

/// A checked value. Which of the fields hold it follows from `kind`.
struct OptionValue {
  OptionKind kind = OptionKind::kText;
  std::string text;     ///< kText, kEnum (a choice, as spelled there), kColumn; else as written
  int64_t integer = 0;  ///< kInteger; kSize: bytes; kDuration: microseconds, -1 for 'none'; kBoolean: 0 or 1
  bool given = false;   ///< false: it is the default
  std::vector<std::string> columns = {};  ///< kColumns

  bool operator==(const OptionValue& other) const {
    return kind == other.kind && text == other.text && integer == other.integer && columns == other.columns;
  }
};

/// The checked options of one object. Asking for one that its spec did not declare is a bug (MR_CHECK).
class Options {
 public:
  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  /// The text of a kText, kEnum or kColumn option; empty when it has no value.
  const std::string& text(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise = 0) const;
  bool boolean(std::string_view name) const { return integer(name) != 0; }
  /// Nothing for 'none' and for an option without a value.
  std::optional<Duration> duration(std::string_view name) const;
  std::vector<std::string> columns(std::string_view name) const;

  void set(std::string name, OptionValue value) { values_[std::move(name)] = std::move(value); }
  void remove(std::string_view name) { values_.erase(std::string(name)); }
  const std::map<std::string, OptionValue, std::less<>>& values() const { return values_; }
  bool operator==(const Options&) const = default;

 private:
  const OptionValue* find(std::string_view name) const;
  std::map<std::string, OptionValue, std::less<>> values_;
};

/// What one connector or format adds to the options.
struct OptionGroup {
  std::string name;  ///< the value of `connector` or `format`
  std::string doc;
  bool reads = false;   ///< may stand in CREATE STREAM and CREATE TABLE
  bool writes = false;  ///< may stand in CREATE SINK
  std::vector<OptionSpec> source_options = {};
  std::vector<OptionSpec> sink_options = {};
  std::string default_format = {};  ///< of a connector; empty: it needs none
};

class OptionRegistry {
 public:
  /// Holds the options that do not depend on a connector, and the connector `log`.
  OptionRegistry();

  /// Adding a name twice is a bug.
  void add_connector(OptionGroup group);
  void add_format(OptionGroup group);

  const OptionGroup* connector(std::string_view name) const;
  const OptionGroup* format(std::string_view name) const;
  const std::vector<OptionGroup>& connectors() const { return connectors_; }
  const std::vector<OptionGroup>& formats() const { return formats_; }

  /// Checks the options of a CREATE statement and fills in the defaults. `object` is only for messages. Errors point at
  /// the option's name or value, and name what is allowed.
  Result<Options> check(ObjectKind kind, const Name& object, const std::vector<Option>& given) const;
  /// The options that objects of this kind take with that connector and format, in the order of the documentation.
  std::vector<OptionSpec> specs(ObjectKind kind, const OptionGroup* connector, const OptionGroup* format) const;

 private:
  Result<const OptionGroup*> pick(const std::vector<OptionGroup>& groups, std::string_view what, const Option* option,
                                  std::string_view otherwise, bool for_sink) const;

  std::vector<OptionGroup> connectors_;
  std::vector<OptionGroup> formats_;
};

/// One value against its spec. Also for settings that are given on the command line; the error has a position when the
/// option has one.
Result<OptionValue> check_option(const OptionSpec& spec, const Option& option);

}  // namespace millrace::sql
