#include "connectors/file/destination.h"

#include <fmt/format.h>

#include <charconv>

#include "base/paths.h"
#include "connectors/file/options.h"

namespace millrace::connectors::file {
namespace {

constexpr size_t kOffsetDigits = 20;

Error bad_option(const SinkSetup& setup, const std::string& what) {
  return user_error(sqlstate::kInvalidParameter, "sink " + setup.name + ": " + what);
}

Result<FileFormat> find_format(const SinkSetup& setup, const std::string& path) {
  std::string told = format_of_path(path);
  std::string name = setup.options.text("format");
  if (name == "ndjson") name = "json";
  if (name.empty()) name = told;
  if (name.empty()) name = "json";
  if (!told.empty() && told != name)
    return bad_option(setup, "the format is " + name + ", but the path ends otherwise: " + path);
  if (name == "parquet") return FileFormat::kParquet;
  if (name == "csv") return FileFormat::kCsv;
  if (name == "json") return FileFormat::kNdjson;
  return user_error(sqlstate::kNotSupported, "sink " + setup.name + ": files are not written in the format " + name)
      .with_hint("formats of file sinks: parquet, json, csv");
}

formats::Packing packing_of_path(std::string_view path) {
  for (auto packing : {formats::Packing::kGzip, formats::Packing::kZstd}) {
    if (path.ends_with(formats::packing_suffix(packing))) return packing;
  }
  return formats::Packing::kNone;
}

Status find_compression(const SinkSetup& setup, const std::string& path, RowFileOptions& rows) {
  const std::string& name = setup.options.text("compression");
  formats::Packing told = packing_of_path(path);
  if (rows.format == FileFormat::kParquet) {
    if (told != formats::Packing::kNone)
      return bad_option(setup, "Parquet is compressed inside; the path must end in .parquet: " + path);
    if (!name.empty()) rows.parquet_compression = name;
    return {};
  }
  if (name == "snappy") return bad_option(setup, "the compression is for Parquet only: snappy");
  rows.packing = name == "gzip"   ? formats::Packing::kGzip
                 : name == "zstd" ? formats::Packing::kZstd
                                  : formats::Packing::kNone;
  if (name.empty()) rows.packing = told;
  if (told == formats::Packing::kNone || told == rows.packing) return {};
  return bad_option(setup, "the compression is " + name + ", but the path ends otherwise: " + path);
}

std::string ending_of(const RowFileOptions& rows) {
  static constexpr std::string_view kEndings[] = {".parquet", ".ndjson", ".csv"};
  return std::string(kEndings[static_cast<size_t>(rows.format)]) + std::string(formats::packing_suffix(rows.packing));
}

std::optional<int64_t> parse_offset(std::string_view digits) {
  int64_t value = 0;
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed != std::errc() || end != digits.data() + digits.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::string Destination::snapshot_path() const { return join_path(directory, stem + ending); }

std::string Destination::part_path(int64_t first, int64_t last) const {
  return join_path(directory, fmt::format("{}-{:020}-{:020}{}", stem, first, last, ending));
}

std::optional<int64_t> Destination::last_offset_of(std::string_view file_name) const {
  if (!file_name.starts_with(stem) || !file_name.ends_with(ending)) return std::nullopt;
  if (file_name.size() != stem.size() + 2 * (kOffsetDigits + 1) + ending.size()) return std::nullopt;
  std::string_view offsets = file_name.substr(stem.size(), 2 * (kOffsetDigits + 1));
  if (offsets[0] != '-' || offsets[kOffsetDigits + 1] != '-') return std::nullopt;
  if (!parse_offset(offsets.substr(1, kOffsetDigits))) return std::nullopt;
  return parse_offset(offsets.substr(kOffsetDigits + 2));
}

std::string Destination::temporary_name() const { return "." + stem + ending + ".tmp"; }
std::string Destination::temporary_path() const { return join_path(directory, temporary_name()); }

Result<Destination> find_destination(const SinkSetup& setup) {
  const std::string& given = setup.options.text("path");
  if (given.empty()) return bad_option(setup, "the path is missing").with_hint("add path = 'a folder'");
  std::string path = join_path(setup.base_directory, given);
  Destination to;
  MR_ASSIGN(to.rows.format, find_format(setup, path));
  MR_TRY(find_compression(setup, path, to.rows));
  const std::string& delimiter = setup.options.text("delimiter");
  if (!delimiter.empty()) to.rows.delimiter = delimiter[0];
  to.rows.header = !setup.options.has("header") || setup.options.boolean("header");
  if (format_of_path(path).empty()) {
    to.directory = path;
    to.stem = setup.source.empty() ? setup.name : setup.source;
    to.ending = ending_of(to.rows);
  } else {
    std::string name(file_name(path));
    size_t packed = formats::packing_suffix(packing_of_path(name)).size();
    size_t dot = name.rfind('.', name.size() - packed - 1);
    to.directory = parent_path(path);
    to.stem = name.substr(0, dot);
    to.ending = name.substr(dot);
  }
  if (to.stem.empty() || to.stem.find('/') != std::string::npos)
    return bad_option(setup, "no file can be called: " + to.stem + to.ending);
  return to;
}

}  // namespace millrace::connectors::file
