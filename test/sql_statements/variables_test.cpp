#include "sql/variables.h"

#include <gtest/gtest.h>

namespace millrace::sql {
namespace {

const Variables kVariables = {
    {"plays", "data/plays.json"}, {"n", "4"}, {"empty", ""}, {"quote", "it's \"x\""}, {"tricky", "${n}"}};

std::string filled(std::string_view text) {
  Result<SubstitutedText> result = substitute_variables(text, kVariables);
  if (!result.ok()) return "error: " + result.error().message + " @" + std::to_string(result.error().position->offset);
  return result->text;
}

TEST(Variables, AreReplacedEverywhereButInComments) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"no variable, $1 and $$x$$", "no variable, $1 and $$x$$"},
      {"partitions = ${n}", "partitions = 4"},
      {"load = '${plays}'", "load = 'data/plays.json'"},
      {"load = '${missing:-}'", "load = ''"},
      {"load = '${missing:-a/b.json}'", "load = 'a/b.json'"},
      {"x ${empty:-7} y", "x 7 y"},
      {"x ${empty} y", "x  y"},
      {"x ${missing:-${n}} y", "x 4 y"},
      {"x ${missing:-${other:-deep}} y", "x deep y"},
      {"x ${missing:-{'a': 1}} y", "x {'a': 1} y"},
      {"$${n} stays, ${n} goes", "${n} stays, 4 goes"},
      {"-- ${missing}\n${n}", "-- ${missing}\n4"},
      {"/* ${missing} /* ${x} */ */ ${n}", "/* ${missing} /* ${x} */ */ 4"},
      {"'--' ${n}", "'--' 4"},
      {"'${quote}'", "'it''s \"x\"'"},
      {"\"${quote}\"", "\"it's \"\"x\"\"\""},
      {"E'\\'${quote}'", "E'\\'it''s \"x\"'"},
      {"$q$${quote}$q$", "$q${quote}$q$"},  // $${ is the escape, also there
      {"$q$ ${quote}$q$ '${quote}'", "$q$ it's \"x\"$q$ 'it''s \"x\"'"},
      {"x ${tricky} y", "x ${n} y"},
      {"${n}${n}", "44"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(filled(text), expected) << text;
}

TEST(Variables, Mistakes) {
  const std::pair<const char*, const char*> cases[] = {
      {"a ${missing} b", "error: a variable has no value: missing @2"},
      {"a '${play}' b", "error: a variable has no value: play @3"},
      {"a ${} b", "error: a variable's name is missing after ${ @2"},
      {"a ${n b", "error: a variable is not closed: ${n @2"},
      {"a ${n:-b", "error: a variable is not closed: ${n @2"},
      {"a ${x:-${y}}", "error: a variable has no value: y @7"},
      {"a ${", "error: a variable's name is missing after ${ @2"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(filled(text), expected) << text;
}

TEST(Variables, TheHintNamesSetAndWhatWasMeant) {
  Result<SubstitutedText> result = substitute_variables("x ${play}", kVariables);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "42704");
  EXPECT_NE(result.error().hint.find("--set play=value"), std::string::npos) << result.error().hint;
  EXPECT_NE(result.error().hint.find("did you mean plays?"), std::string::npos) << result.error().hint;
}

TEST(Variables, NestingIsBounded) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "${a" + std::to_string(i) + ":-";
  text += std::string(100, '}');
  EXPECT_EQ(filled(text).substr(0, 40), "error: variables are nested too deeply @");
}

TEST(Variables, ListsWhatATextMentions) {
  Result<SubstitutedText> result = substitute_variables("${n} ${plays:-x} ${n} ${a:-${b:-}}", kVariables);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->names, (std::vector<std::string>{"n", "plays", "a", "b"}));
}

TEST(Variables, PositionsPointIntoTheOriginal) {
  std::string_view original = "ab '${plays}' cd ${n} ef";
  Result<SubstitutedText> result = substitute_variables(original, kVariables);
  ASSERT_TRUE(result.ok());
  auto back = [&](std::string_view piece) {
    SourceSpan span = result->positions.original(SourceSpan{result->text.find(piece), piece.size()});
    return std::string(original.substr(span.offset, span.length));
  };
  EXPECT_EQ(back("ab"), "ab");
  EXPECT_EQ(back("plays.json"), "${plays}");
  EXPECT_EQ(back("cd"), "cd");
  EXPECT_EQ(back("4"), "${n}");
  EXPECT_EQ(back("d 4 e"), "d ${n} e");
  EXPECT_EQ(back("ef"), "ef");
  EXPECT_EQ(back("' cd"), "' cd");
}

TEST(Variables, EveryPositionMapsIntoTheOriginal) {
  std::string_view original = "${empty}a$${b} '${quote}' ${empty:-xyz}${n}z${empty}";
  Result<SubstitutedText> result = substitute_variables(original, kVariables);
  ASSERT_TRUE(result.ok());
  for (uint64_t offset = 0; offset <= result->text.size(); ++offset) {
    for (uint64_t length = 0; offset + length <= result->text.size(); ++length) {
      SourceSpan span = result->positions.original(SourceSpan{offset, length});
      EXPECT_LE(span.offset, original.size());
      EXPECT_LE(span.offset + span.length, original.size() + 1) << offset << ' ' << length;
    }
  }
}

TEST(Variables, AnyTextIsTakenOrRefused) {
  std::string_view seed = "a '${plays}' E'\\'' $${x} $t$ ${n} $t$ -- ${q}\n /* ${r} */ \"${n:-a${b:-{}}}\" ${n}";
  for (size_t at = 0; at <= seed.size(); ++at) {
    (void)filled(seed.substr(0, at));
    (void)filled(seed.substr(at));
    for (char c : {'\'', '"', '$', '{', '}', '\\', '-', '*', '/', 'E'}) {
      std::string changed(seed);
      changed.insert(at, 1, c);
      Result<SubstitutedText> result = substitute_variables(changed, kVariables);
      if (result.ok()) continue;
      EXPECT_LE(result.error().position->offset + result.error().position->length, changed.size() + 1);
    }
  }
}

}  // namespace
}  // namespace millrace::sql
