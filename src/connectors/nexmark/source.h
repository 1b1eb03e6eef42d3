// `connector = 'nexmark'`: a stream that is filled with the events of the Nexmark benchmark.
//
//   CREATE STREAM bid (…) WITH (connector = 'nexmark', type = 'bid', events = 1000000)
#pragma once

#include <memory>

#include "base/result.h"
#include "connectors/nexmark/event_json.h"
#include "connectors/source.h"
#include "sql/options.h"

namespace millrace::connectors::nexmark {

/// What the connector adds to CREATE STREAM: type, events, rate, seed, base_time, group_size.
sql::OptionGroup option_group();

/// The events with the numbers [0, events) that the form has, as lines of JSON or, in format nexmark, as records that
/// name them (decoder.h). Equal options give equal chunks.
Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup);

/// Lines by the piece: for the source, and for `millrace generate`.
class Lines {
 public:
  Lines(Generator generator, Form form, uint64_t events)
      : generator_(std::move(generator)), form_(form), events_(events) {}

  /// Puts whole lines of about `bytes_wanted` in place of `text`; nothing at the end.
  void next(size_t bytes_wanted, std::string& text);
  uint64_t lines() const { return lines_; }  ///< so far

 private:
  const Generator generator_;
  const Form form_;
  const uint64_t events_;
  uint64_t number_ = 0;
  uint64_t lines_ = 0;
};

Result<Form> parse_form(std::string_view text);

}  // namespace millrace::connectors::nexmark
