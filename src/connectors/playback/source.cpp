#include "connectors/playback/source.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "connectors/playback/generator.h"

namespace millrace::connectors::playback {
namespace {

class PlaybackSource final : public RecordSource {
 public:
  explicit PlaybackSource(std::unique_ptr<Generator> generator) : generator_(std::move(generator)) {}

  Result<RecordChunk> read(size_t bytes_wanted) override {
    RecordChunk chunk;
    if (at_ == text_.size()) {
      position_ += text_.size();
      at_ = 0;
      MR_TRY(generator_->next(text_));
    }
    chunk.first_position = position_ + at_;
    const size_t start = at_;
    while (at_ < text_.size() && at_ - start < bytes_wanted) {
      const size_t end = text_.find('\n', at_);
      chunk.records.push_back(std::string_view(text_).substr(at_, end - at_));
      at_ = end + 1;
    }
    chunk.end = text_.empty();
    return chunk;
  }

  uint64_t total_bytes() const override { return 0; }

 private:
  std::unique_ptr<Generator> generator_;
  std::string text_;  ///< whole lines, each with its newline
  size_t at_ = 0;
  uint64_t position_ = 0;  ///< of text_
};

sql::OptionSpec integer(std::string name, std::string default_text, int64_t minimum, std::string doc) {
  sql::OptionSpec spec{std::move(name), sql::OptionKind::kInteger, std::move(default_text), std::move(doc)};
  spec.minimum = minimum;
  return spec;
}

}  // namespace

sql::OptionGroup option_group() {
  sql::OptionGroup group{"playback", "generated playback events whose right report is known", true, false};
  group.default_format = "json";
  sql::OptionSpec path{"path", sql::OptionKind::kText, "", "CSV file with the titles and their published figures"};
  path.required = true;
  group.source_options = {
      std::move(path),
      integer("seed", "1", 0, "another seed gives other sessions of the same report"),
      integer("unit_ms", "200000", 10, "ms of play that stand for 100,000 published hours"),
      integer("window_start_ms", "1735689600000", 0, "first ms that counts, since 1970, UTC"),
      integer("window_end_ms", "1751328000000", 0, "first ms that no longer counts"),
      {"faults", sql::OptionKind::kBoolean, "true",
       "whether events come twice, late, out of order, with holes and malformed"},
  };
  return group;
}

Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup) {
  const std::string path = setup.path.empty() ? setup.options.text("path") : setup.path;
  Options options;
  MR_ASSIGN(options.titles_csv, setup.env->files().read_all(join_path(setup.base_directory, path)));
  options.seed = static_cast<uint64_t>(setup.options.integer("seed"));
  options.unit_ms = setup.options.integer("unit_ms");
  options.window_start_ms = setup.options.integer("window_start_ms");
  options.window_end_ms = setup.options.integer("window_end_ms");
  options.faults = setup.options.boolean("faults");
  MR_ASSIGN(std::unique_ptr<Generator> generator, Generator::create(std::move(options)));
  return std::unique_ptr<RecordSource>(std::make_unique<PlaybackSource>(std::move(generator)));
}

}  // namespace millrace::connectors::playback
