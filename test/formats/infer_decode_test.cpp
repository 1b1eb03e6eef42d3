// The statement that infer_stream writes reads every record of the sample that it was made from.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <random>

#include "formats/decoding.h"
#include "formats/infer.h"

namespace millrace::formats {
namespace {

/// The columns between the statement's brackets, one a line, comments left out.
batch::Schema columns_of(const std::string& statement) {
  batch::Schema schema;
  for (std::string_view line : split_view(statement, '\n')) {
    if (!line.starts_with("  ") || line.starts_with("  --")) continue;
    line = trim(line.substr(0, line.find("  --", 2)));
    if (line.ends_with(',')) line.remove_suffix(1);
    size_t name_end = line.starts_with('"') ? line.find('"', 1) + 1 : line.find(' ');
    std::string_view name = line.substr(0, name_end);
    if (name.starts_with('"')) name = name.substr(1, name.size() - 2);
    auto type = batch::Type::parse(trim(line.substr(name_end)));
    EXPECT_TRUE(type.ok()) << line;
    if (type.ok()) schema.fields.push_back({std::string(name), *type});
  }
  return schema;
}

std::string statement_of(std::string_view sample, std::string_view format) {
  InferOptions options;
  options.stream = "s";
  options.format = format;
  auto text = infer_stream(sample, options);
  EXPECT_TRUE(text.ok());
  return text.ok() ? *text : "";
}

nlohmann::json random_value(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 0 ? 12 : 9)) {
    case 0: return nullptr;
    case 1: return random() % 2 == 0;
    case 2: return static_cast<int32_t>(random());
    case 3: return static_cast<int64_t>(random());
    case 4: return random();
    case 5: return 0.5 * static_cast<double>(static_cast<int32_t>(random()));
    case 6: return "text \"" + std::to_string(random() % 1000);
    case 7: return "2025-01-" + std::to_string(10 + random() % 20);
    case 8: return "2025-01-31T10:00:00." + std::to_string(random() % 1000) + "Z";
    case 9: {
      auto list = nlohmann::json::array();
      for (size_t i = random() % 4; i > 0; --i) list.push_back(random_value(random, depth - 1));
      return list;
    }
    default: {
      auto object = nlohmann::json::object();
      for (size_t i = random() % 4; i > 0; --i) object["f" + std::to_string(i)] = random_value(random, depth - 1);
      return object;
    }
  }
}

TEST(InferAndDecode, EveryRecordOfARandomSample) {
  std::mt19937_64 random(77);
  for (int round = 0; round < 200; ++round) {
    std::string sample;
    // A column keeps to one value in most rounds, so that narrow types are found as well.
    std::vector<nlohmann::json> usual;
    for (int c = 0; c < 6; ++c) usual.push_back(random_value(random, 2));
    for (int row = 0; row < 20; ++row) {
      nlohmann::json record = nlohmann::json::object();
      for (size_t c = 0; c < usual.size(); ++c) {
        bool as_usual = random() % 50 != 0;
        if (random() % 10 != 0) record["c" + std::to_string(c)] = as_usual ? usual[c] : random_value(random, 2);
      }
      sample += record.dump() + "\n";
    }
    std::string statement = statement_of(sample, "json");
    EXPECT_EQ(statement, statement_of(sample, "json"));
    std::vector<std::string_view> lines = split_view(sample, '\n');
    lines.pop_back();
    Decoding result = decode("json", columns_of(statement), lines);
    ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason << "\n"
                                       << lines[result.errors[0].record] << "\n"
                                       << statement;
  }
}

TEST(InferAndDecode, RealEvents) {
  auto path = shared_data() / "wikipedia_events";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data/wikipedia_events is not there";
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::string name = entry.path().filename().string();
    if (name.find("json") == std::string::npos) continue;
    std::string sample = read_gzip(entry.path());  // reads plain files as they are
    if (trim(sample).empty() || trim(sample).front() != '{') continue;
    std::vector<std::string_view> lines;
    for (std::string_view line : split_view(sample, '\n')) {
      if (!trim(line).empty() && lines.size() < 2000) lines.push_back(line);
    }
    if (!nlohmann::json::accept(lines[0])) continue;  // one object over several lines
    std::string statement = statement_of(
        {lines.front().data(), static_cast<size_t>(lines.back().data() + lines.back().size() - lines.front().data())},
        "json");
    for (size_t first = 0; first < lines.size(); first += 500) {
      std::vector<std::string_view> part(lines.begin() + static_cast<ptrdiff_t>(first),
                                         lines.begin() + static_cast<ptrdiff_t>(std::min(lines.size(), first + 500)));
      Decoding result = decode("json", columns_of(statement), part);
      EXPECT_TRUE(result.errors.empty()) << name << ": " << result.errors[0].reason;
    }
    ++files;
  }
  if (files == 0) GTEST_SKIP() << "no file of JSON lines in it";
}

TEST(InferAndDecode, Csv) {
  std::string sample =
      "id,zip,amount,ok,at,note\n1,007,1.5,true,2025-01-31T00:00:00Z,\"a,b\"\n-2,,3,false,2025-01-31 10:00:00,\n";
  Decoding result = decode("csv", columns_of(statement_of(sample, "csv")),
                           {"1,007,1.5,true,2025-01-31T00:00:00Z,\"a,b\"", "-2,,3,false,2025-01-31 10:00:00,"});
  ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
  EXPECT_EQ(result.rows.row_text(0), "[+1] 1, 007, 1.5, true, 2025-01-31 00:00:00, a,b");
  EXPECT_EQ(result.rows.row_text(1), "[+1] -2, NULL, 3.0, false, 2025-01-31 10:00:00, NULL");
}

}  // namespace
}  // namespace millrace::formats
