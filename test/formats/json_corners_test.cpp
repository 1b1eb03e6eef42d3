// JSON at its edges: JSONTestSuite, naughty strings, large documents, and mutations judged by another parser.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "formats/decoding.h"
#include "formats/json_oracle.h"

namespace millrace::formats {
namespace {

constexpr std::string_view kColumns = "v VARCHAR; n DOUBLE; l VARCHAR[]; s STRUCT(a BIGINT)";

/// Whether the record is JSON to the decoder: a wrong type is no fault of the JSON.
bool is_accepted_as_json(std::string_view record, std::string_view columns) {
  Decoding result = decode_json(columns, {record});
  if (result.errors.empty()) return true;
  return result.errors[0].reason.starts_with("field ") &&
         result.errors[0].reason.find(": expected ") != std::string::npos;
}

/// The same text in each place where a decoder treats values in a way of its own.
std::vector<std::string> wrapped(const std::string& text) {
  return {"{\"unknown\":" + text + "}", "{\"unknown\":{\"a\":[" + text + "]}}", "{\"v\":" + text + "}",
          "{\"l\":[" + text + "]}", "{\"s\":{\"a\":" + text + ",\"b\":" + text + "}}"};
}

std::vector<std::filesystem::path> suite(char kind) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(shared_data() / "json_corners/JSONTestSuite/test_parsing")) {
    if (entry.path().filename().string().starts_with(kind)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool has_suite() { return std::filesystem::exists(shared_data() / "json_corners/JSONTestSuite"); }

TEST(JsonTestSuite, WhatMustBeAcceptedIsAccepted) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  std::vector<std::filesystem::path> files = suite('y');
  EXPECT_GT(files.size(), 90u);
  for (const auto& file : files) {
    std::string text = read_file(file);
    if (trim(text).starts_with('{')) {
      EXPECT_TRUE(is_accepted_as_json(text, kColumns)) << file;
    } else {
      EXPECT_EQ(decode_json(kColumns, {text}).only().find("error: expected a JSON object"), 0u) << file;
    }
    for (const std::string& record : wrapped(text))
      EXPECT_TRUE(is_accepted_as_json(record, kColumns)) << file << ": " << record;
  }
}

TEST(JsonTestSuite, WhatMustBeRejectedIsRejected) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  std::vector<std::filesystem::path> files = suite('n');
  EXPECT_GT(files.size(), 180u);
  for (const auto& file : files) {
    std::string text = read_file(file);
    EXPECT_FALSE(decode_json(kColumns, {text}).errors.empty()) << file;
    for (const std::string& record : wrapped(text)) {
      if (verdict_on_record(record) == Verdict::kValid) continue;  // brackets around it made it valid
      EXPECT_FALSE(decode_json(kColumns, {record}).errors.empty()) << file << ": " << record.substr(0, 200);
    }
  }
}

TEST(JsonTestSuite, WhatIsLeftOpenDoesNoHarm) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  for (const auto& file : suite('i')) {
    std::string text = read_file(file);
    for (const std::string& record : wrapped(text)) {
      Decoding result = decode_json(kColumns, {"{\"v\":\"before\"}", record, "{\"v\":\"after\"}"});
      ASSERT_GE(result.decoded.size(), 2u) << file;
      EXPECT_EQ(result.rows.value_text(0, 0), "before") << file;
      EXPECT_EQ(result.rows.value_text(0, result.rows.rows() - 1), "after") << file;
    }
  }
}

TEST(JsonTestSuite, OneBatchOfAllFilesIsJudgedAsEachAlone) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  std::vector<std::string> texts;
  for (char kind : {'n', 'y', 'i'}) {
    for (const auto& file : suite(kind)) {
      for (std::string& text : wrapped(read_file(file))) texts.push_back(std::move(text));
    }
  }
  std::shuffle(texts.begin(), texts.end(), std::mt19937_64(7));
  for (size_t first = 0; first < texts.size(); first += 500) {
    std::vector<std::string_view> records(texts.begin() + static_cast<ptrdiff_t>(first),
                                          texts.begin() + static_cast<ptrdiff_t>(std::min(texts.size(), first + 500)));
    Decoding together = decode_json(kColumns, records);
    std::vector<uint32_t> alone;
    for (uint32_t i = 0; i < records.size(); ++i) {
      Decoding one = decode_json(kColumns, {records[i]});
      if (one.errors.empty()) {
        ASSERT_LT(alone.size(), together.rows.rows());
        EXPECT_EQ(together.rows.row_text(alone.size()), one.rows.row_text(0)) << records[i];
        alone.push_back(i);
      }
    }
    EXPECT_EQ(together.decoded, alone);
  }
}

TEST(NaughtyStrings, ComeThroughByteForByte) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  auto strings = nlohmann::json::parse(read_gzip(shared_data() / "json_corners/blns.json.gz"));
  ASSERT_GT(strings.size(), 400u);
  std::vector<std::string> lines;
  for (bool ascii : {false, true}) {
    for (const auto& text : strings)
      lines.push_back(nlohmann::json{{"v", text}, {text.get<std::string>(), 1}}.dump(-1, ' ', ascii));
  }
  Decoding result = decode_json("v VARCHAR", {lines.begin(), lines.end()});
  ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(result.rows.column(0).at<batch::StringRef>(i).view(), strings[i % strings.size()].get<std::string>());
  }
}

TEST(NaughtyStrings, AsRecordsAreJudgedLikeAnotherParserDoes) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  std::string text = read_gzip(shared_data() / "json_corners/blns.txt.gz");
  for (std::string_view line : split_view(text, '\n')) {
    if (verdict_on_record(line) == Verdict::kEither) continue;
    EXPECT_EQ(decode_json(kColumns, {line}).errors.empty(), verdict_on_record(line) == Verdict::kValid) << line;
  }
}

TEST(LargeJson, RealDocumentsAreOneRecordEach) {
  if (!has_suite()) GTEST_SKIP() << "../shared/data/json_corners is not there";
  std::string twitter = read_gzip(shared_data() / "json_corners/twitter.json.gz");
  Decoding result = decode_json(
      "search_metadata STRUCT(count BIGINT, query VARCHAR); statuses STRUCT(id BIGINT, text VARCHAR)[]", {twitter});
  ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
  auto expected = nlohmann::json::parse(twitter);
  auto found = nlohmann::json::parse(result.rows.json_text(1, 0));
  ASSERT_EQ(found.size(), expected["statuses"].size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i]["id"], expected["statuses"][i]["id"]);
    EXPECT_EQ(found[i]["text"], expected["statuses"][i]["text"]);
  }
  std::string catalogue = read_gzip(shared_data() / "json_corners/citm_catalog.json.gz");
  EXPECT_TRUE(is_accepted_as_json(catalogue, "areaNames STRUCT(\"205705993\" VARCHAR)"));
  EXPECT_FALSE(is_accepted_as_json(catalogue.substr(0, catalogue.rfind('}')), "areaName VARCHAR"));
}

TEST(LargeJson, TenMegabytesInOneLine) {
  std::string big(10 << 20, 'x');
  for (size_t i = 0; i < big.size(); i += 1000) big[i] = 'y';
  std::string record = "{\"v\":\"" + big + "\",\"n\":7}";
  std::string broken = "{\"v\":\"" + big + "\",\"n\":7";
  Decoding result = decode_json("v VARCHAR; n BIGINT", {"{\"n\":1}", broken, record, "{\"n\":2}"});
  EXPECT_EQ(result.decoded, (std::vector<uint32_t>{0, 2, 3}));
  EXPECT_EQ(result.rows.column(0).at<batch::StringRef>(1).view(), big);
  EXPECT_EQ(result.rows.value_text(1, 2), "2");
  std::string wrong = "{\"n\":\"" + big + "\"}";
  Decoding cut = decode_json("n BIGINT", {wrong});
  ASSERT_EQ(cut.errors.size(), 1u);
  EXPECT_LT(cut.errors[0].reason.size(), 200u);  // the value is cut in the reason
}

TEST(JsonDepth, HasALimitAndNoCrash) {
  auto nested = [](size_t depth, bool close) {
    return "{\"u\":" + std::string(depth, '[') + (close ? std::string(depth, ']') + "}" : "");
  };
  EXPECT_TRUE(decode_json("a BIGINT", {nested(100, true)}).errors.empty());
  for (size_t depth : {1000u, 5000u, 100000u, 1000000u}) {
    EXPECT_FALSE(decode_json("a BIGINT", {nested(depth, false)}).errors.empty());
  }
  for (size_t depth : {5000u, 1000000u}) EXPECT_FALSE(decode_json("a BIGINT", {nested(depth, true)}).errors.empty());
}

/// One seed: valid records with a few bytes changed, dropped, doubled or put in.
std::string mutated(const std::string& text, std::mt19937_64& random) {
  static constexpr std::string_view kLikely =
      "{}[]:,\"\\ \t\n\r0123456789.eE+-truefalsn/bu\x01\x7f\x80\xc3\xa9\xed\xa0\xf4\xff";
  std::string out = text;
  for (size_t changes = 1 + random() % 3; changes > 0; --changes) {
    size_t at = random() % (out.size() + 1);
    char byte = kLikely[random() % kLikely.size()];
    switch (random() % 5) {
      case 0:
        if (at < out.size()) out[at] = byte;
        break;
      case 1: out.insert(at, 1, byte); break;
      case 2: out.erase(at, 1 + random() % 4); break;
      case 3: out.insert(at, out.substr(random() % (out.size() + 1), random() % 12)); break;
      default:
        if (random() % 4 == 0) out.resize(at);
        break;
    }
    if (out.empty()) out = "{";
  }
  return out;
}

TEST(JsonMutations, AreJudgedLikeAnotherParserDoes) {
  const std::vector<std::string> seeds = {
      R"({"v":"text","n":1.5e3,"l":["a","b\n"],"s":{"a":7}})",
      R"( { "v" : null , "n" : -0.0 , "l" : [ ] , "s" : { } } )",
      R"({"unknown":[1,{"x":[true,false,null]},"\ud83d\ude00"],"v":"\u00e9\\\"/"})",
      R"({"n":12345678901234567890,"v":"a rather long text that does not fit inline","n":2})",
      "{\"v\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\",\"l\":[null,\"x\"],\"s\":{\"a\":-1,\"b\":[{}]}}",
  };
  std::mt19937_64 random(20260101);
  size_t valid = 0;
  size_t invalid = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 100; ++i) texts.push_back(mutated(seeds[random() % seeds.size()], random));
    Decoding result = decode_json(kColumns, {texts.begin(), texts.end()});
    std::vector<bool> accepted(texts.size(), true);
    for (const DecodeError& error : result.errors) accepted[error.record] = error.reason.starts_with("field ");
    for (size_t i = 0; i < texts.size(); ++i) {
      Verdict verdict = verdict_on_record(texts[i]);
      if (verdict == Verdict::kEither) continue;
      bool is_valid = verdict == Verdict::kValid;
      // A field of the wrong type ends the work on a record: what is behind it may be broken.
      bool judged = accepted[i] == is_valid || (accepted[i] && !decode_json(kColumns, {texts[i]}).errors.empty());
      EXPECT_TRUE(judged) << "valid: " << is_valid << ", text: " << texts[i];
      ++(is_valid ? valid : invalid);
    }
  }
  EXPECT_GT(valid, 3000u);
  EXPECT_GT(invalid, 3000u);
}

}  // namespace
}  // namespace millrace::formats
