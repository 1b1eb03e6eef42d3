#include "formats/record_splitter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/compression.h"

namespace millrace::formats {
namespace {

struct Records {
  std::vector<std::string> records;
  std::vector<std::string> too_long;  // "position+bytes:beginning"
  std::string error;
  bool operator==(const Records&) const = default;
};

/// Feeds `input` in pieces of `piece` bytes.
Records split_in_pieces(const std::string& input, RecordShape shape, size_t piece, size_t record_bytes_max = 1000,
                        char delimiter = ',') {
  RecordSplitter splitter(shape, delimiter, record_bytes_max);
  Records out;
  std::string window;
  size_t given = 0;
  while (true) {
    bool last = given == input.size();
    auto split = splitter.next(window, last);
    if (!split.ok()) {
      out.error = split.error().message;
      return out;
    }
    if (split->state == SplitState::kRecord) {
      out.records.emplace_back(split->record);
      EXPECT_EQ(input.substr(split->position, split->bytes), split->record);
    }
    if (split->state == SplitState::kTooLong) {
      EXPECT_EQ(input.substr(split->position, split->record.size()), split->record);
      out.too_long.push_back(std::to_string(split->position) + "+" + std::to_string(split->bytes) + ":" +
                             std::string(split->record.substr(0, 20)));
    }
    window.erase(0, split->used);
    if (split->state == SplitState::kEnd) return out;
    if (split->state == SplitState::kNeedMore) {
      EXPECT_FALSE(last) << "asks for more behind the end";
      if (last) return out;
      EXPECT_LE(window.size(), record_bytes_max + 2) << "keeps what it does not need";
      size_t count = std::min(piece, input.size() - given);
      window += input.substr(given, count);
      given += count;
    }
  }
}

/// The same whatever the pieces are.
Records split(const std::string& input, RecordShape shape, size_t record_bytes_max = 1000) {
  Records whole = split_in_pieces(input, shape, input.size() + 1, record_bytes_max);
  for (size_t piece = 1; piece <= input.size(); ++piece) {
    Records cut = split_in_pieces(input, shape, piece, record_bytes_max);
    EXPECT_EQ(cut.records, whole.records) << "in pieces of " << piece;
    EXPECT_EQ(cut.too_long, whole.too_long) << "in pieces of " << piece;
    EXPECT_EQ(cut.error, whole.error) << "in pieces of " << piece;
  }
  return whole;
}

using Texts = std::vector<std::string>;

TEST(RecordSplitter, LinesWithAnyEnd) {
  EXPECT_EQ(split("{\"a\":1}\n{\"a\":2}\r\n\n\r\n  \r\n{\"a\":3}", RecordShape::kLinesOrArray).records,
            (Texts{"{\"a\":1}", "{\"a\":2}", "  ", "{\"a\":3}"}));
  EXPECT_EQ(split("a\n", RecordShape::kLines).records, (Texts{"a"}));
  EXPECT_EQ(split("", RecordShape::kLinesOrArray).records, Texts{});
  EXPECT_EQ(split("\n\r\n \n", RecordShape::kLinesOrArray).records, Texts{" "});
}

TEST(RecordSplitter, ByteOrderMarkIsNoRecord) {
  EXPECT_EQ(split("\xEF\xBB\xBF{\"a\":1}\n", RecordShape::kLinesOrArray).records, (Texts{"{\"a\":1}"}));
  EXPECT_EQ(split("\xEF\xBB\xBF\n [1]", RecordShape::kLinesOrArray).records, (Texts{"1"}));
  EXPECT_EQ(split("\xEF\xBB\xBF"
                  "a,b\n",
                  RecordShape::kCsv)
                .records,
            (Texts{"a,b"}));
  EXPECT_EQ(split("\xEF\xBB\xBF", RecordShape::kCsv).records, Texts{});
}

TEST(RecordSplitter, ArrayOfAnything) {
  Records found = split(R"( [ {"a":"]}\"\\", "b":[1,{"c":2}]} ,[] , "x\"," ,17,null , {} ] )"
                        "\n",
                        RecordShape::kLinesOrArray);
  EXPECT_EQ(found.error, "");
  EXPECT_EQ(found.records, (Texts{R"({"a":"]}\"\\", "b":[1,{"c":2}]})", "[]", R"("x\",")", "17", "null", "{}"}));
  EXPECT_EQ(split("[]", RecordShape::kLinesOrArray), Records{});
  EXPECT_EQ(split(" [ \n ] ", RecordShape::kLinesOrArray), Records{});
}

TEST(RecordSplitter, BrokenArrays) {
  EXPECT_EQ(split("[{\"a\":1},{\"a\"", RecordShape::kLinesOrArray).error,
            "the JSON array does not end; it is cut off at byte 13");
  EXPECT_EQ(split("[{\"a\":1},{\"a\"", RecordShape::kLinesOrArray).records, (Texts{"{\"a\":1}"}));
  EXPECT_EQ(split("[{}", RecordShape::kLinesOrArray).error, "the JSON array does not end; it is cut off at byte 3");
  EXPECT_EQ(split("[", RecordShape::kLinesOrArray).error, "the JSON array does not end; it is cut off at byte 1");
  EXPECT_EQ(split("[{},]", RecordShape::kLinesOrArray).error,
            "the JSON array has no element where one must be, at byte 4");
  EXPECT_EQ(split("[{} {}]", RecordShape::kLinesOrArray).error,
            "the JSON array has neither a comma nor its end at byte 4");
  EXPECT_EQ(split("[,{}]", RecordShape::kLinesOrArray).error,
            "the JSON array has no element where one must be, at byte 1");
  EXPECT_EQ(split("[{}] x", RecordShape::kLinesOrArray).error,
            "the JSON array is followed by something else at byte 5");
}

TEST(RecordSplitter, CsvKeepsLineEndsInQuotes) {
  EXPECT_EQ(split("a,b\r\n\"x\n\"\"y\"\"\r\n,\",2\r\n5\" pipe,3\n\"\",\"\"\n", RecordShape::kCsv).records,
            (Texts{"a,b", "\"x\n\"\"y\"\"\r\n,\",2", "5\" pipe,3", "\"\",\"\""}));
  EXPECT_EQ(split("a,\"open\nb,c\n", RecordShape::kCsv).records, (Texts{"a,\"open\nb,c\n"}));
}

TEST(RecordSplitter, TooLongRecordsArePassedOver) {
  std::string longer(51, 'x');
  std::string fits(50, 'y');
  Records lines = split("a\n" + longer + "\r\n" + fits + "\r\nb\n" + longer, RecordShape::kLines, 50);
  EXPECT_EQ(lines.records, (Texts{"a", fits, "b"}));
  EXPECT_EQ(lines.too_long, (Texts{"2+51:" + std::string(20, 'x'), "109+51:" + std::string(20, 'x')}));
  Records array = split("[1,\"" + longer + "\\\"]\", {\"a\":[\"" + longer + "\"]}, 2]", RecordShape::kLinesOrArray, 50);
  EXPECT_EQ(array.records, (Texts{"1", "2"}));
  EXPECT_EQ(array.too_long, (Texts{"3+56:\"" + std::string(19, 'x'), "61+61:{\"a\":[\"" + std::string(13, 'x')}));
  Records csv = split("a,\"" + longer + "\n\"\nb\n", RecordShape::kCsv, 50);
  EXPECT_EQ(csv.records, (Texts{"b"}));
  EXPECT_EQ(csv.too_long, (Texts{"0+56:a,\"" + std::string(17, 'x')}));
  std::string huge = "a\n" + std::string(5000, 'x') + "\nb\n";
  Records kept = split_in_pieces(huge, RecordShape::kLines, 700, 2000);
  EXPECT_EQ(kept.too_long, (Texts{"2+5000:" + std::string(20, 'x')}));
  EXPECT_EQ(kept.records, (Texts{"a", "b"}));
}

// ---- packed bytes

std::string pack(Packing packing, const std::string& text, size_t piece) {
  auto packer = make_packer(packing);
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece)
    EXPECT_TRUE(packer->pack(std::string_view(text).substr(at, piece), out).ok());
  EXPECT_TRUE(packer->finish(out).ok());
  return out;
}

Result<std::string> unpack(const std::string& packed, size_t input_piece, size_t output_piece) {
  size_t at = 0;
  auto unpacker = make_unpacker(packing_of(packed), [&](char* buffer, size_t length) -> Result<size_t> {
    size_t count = std::min({length, input_piece, packed.size() - at});
    packed.copy(buffer, count, at);
    at += count;
    return count;
  });
  std::string out;
  std::string buffer(output_piece, '\0');
  while (true) {
    MR_ASSIGN(size_t count, unpacker->read(buffer.data(), buffer.size()));
    out.append(buffer, 0, count);
    if (count == 0) return out;
  }
}

std::string sample_text() {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "{\"n\":" + std::to_string(i * 7919 % 10007) + "}\n";
  return text;
}

TEST(Compression, RoundTripInAnyPieces) {
  std::string text = sample_text();
  for (Packing packing : {Packing::kNone, Packing::kGzip, Packing::kZstd}) {
    std::string packed = pack(packing, text, 1000);
    EXPECT_EQ(packing_of(packed), packing);
    if (packing != Packing::kNone) {
      EXPECT_LT(packed.size(), text.size() / 2);
    }
    for (size_t piece : {size_t{1}, size_t{777}, size_t{1} << 20}) {
      auto back = unpack(packed, piece, 4096);
      ASSERT_TRUE(back.ok()) << back.error().message;
      EXPECT_EQ(*back, text);
    }
  }
}

TEST(Compression, SeveralMembersAreOneInput) {
  for (Packing packing : {Packing::kGzip, Packing::kZstd}) {
    std::string packed = pack(packing, "first\n", 100) + pack(packing, "", 1) + pack(packing, "second\n", 100);
    for (size_t piece : {size_t{1}, size_t{1000}}) {
      auto back = unpack(packed, piece, 10);
      ASSERT_TRUE(back.ok()) << back.error().message;
      EXPECT_EQ(*back, "first\nsecond\n");
    }
  }
}

TEST(Compression, CutAnywhereIsAnError) {
  std::string text = sample_text().substr(0, 3000);
  for (Packing packing : {Packing::kGzip, Packing::kZstd}) {
    std::string packed = pack(packing, text, 1000);
    for (size_t size = kMagicBytes; size < packed.size(); ++size) {
      auto back = unpack(packed.substr(0, size), 100, 4096);
      ASSERT_FALSE(back.ok()) << size;
      EXPECT_EQ(back.error().code, sqlstate::kDataCorrupted);
      EXPECT_NE(back.error().message.find("cut off"), std::string::npos) << back.error().message;
    }
  }
}

TEST(Compression, DamageIsAnError) {
  for (Packing packing : {Packing::kGzip, Packing::kZstd}) {
    std::string packed = pack(packing, sample_text(), 1000);
    packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x55);
    auto back = unpack(packed, 1 << 20, 4096);
    ASSERT_FALSE(back.ok());
    EXPECT_EQ(back.error().code, sqlstate::kDataCorrupted);
  }
}

}  // namespace
}  // namespace millrace::formats
