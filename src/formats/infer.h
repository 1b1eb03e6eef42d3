// From a sample of a file to the CREATE STREAM that reads it.
//
// Types are chosen so that every value of the sample decodes, and wide enough for values that the sample does not show:
// whole numbers become BIGINT, texts that are all timestamps TIMESTAMP. A column whose values do not agree becomes JSON
// (in CSV VARCHAR), with a comment.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace millrace::formats {

struct InferOptions {
  std::string stream;     ///< name of the stream to create
  std::string format;     ///< "json" or "csv"; empty: by load_path's ending, else by the first byte
  std::string load_path;  ///< goes into WITH (load = …); empty: none
  /// How a name is written in SQL; one that knows the reserved words is better.
  std::string (*quote_name)(std::string_view) = quote_identifier;
  bool whole = true;  ///< false: the sample ends anywhere, and what is not complete at its end is left out
};

/// Fails when the sample holds no record that can be read, with the first reason.
Result<std::string> infer_stream(std::string_view sample, const InferOptions& options);

}  // namespace millrace::formats
