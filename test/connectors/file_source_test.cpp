#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/simulated_env.h"
#include "connectors/connector.h"
#include "formats/compression.h"

namespace millrace::connectors {
namespace {

using Texts = std::vector<std::string>;

struct Chunk {
  uint64_t first_position;
  Texts records;
  bool operator==(const Chunk&) const = default;
};

struct Contents {
  std::vector<Chunk> chunks;
  Texts records;
  Texts too_long;  // reasons
  std::string error;
};

class FileSourceTest : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& bytes) {
    ASSERT_TRUE(env_.files().write_atomically(path, bytes).ok());
  }

  static std::string pack(formats::Packing packing, const std::string& text) {
    auto packer = formats::make_packer(packing);
    std::string out;
    EXPECT_TRUE(packer->pack(text, out).ok());
    EXPECT_TRUE(packer->finish(out).ok());
    return out;
  }

  SourceSetup setup(const std::string& path, const std::string& format = "") {
    SourceSetup setup;
    setup.env = &env_;
    setup.path = path;
    setup.base_directory = "/";
    setup.format = format;
    return setup;
  }

  static Contents read(const SourceSetup& setup, size_t bytes_wanted = 1 << 20) {
    Contents contents;
    auto source = open_source("file", setup);
    if (!source.ok()) {
      contents.error = source.error().message;
      return contents;
    }
    while (true) {
      auto chunk = (*source)->read(bytes_wanted);
      if (!chunk.ok()) {
        contents.error = chunk.error().message;
        return contents;
      }
      contents.chunks.push_back({chunk->first_position, Texts(chunk->records.begin(), chunk->records.end())});
      contents.records.insert(contents.records.end(), chunk->records.begin(), chunk->records.end());
      for (const auto& [index, reason] : chunk->too_long) {
        EXPECT_LT(index, chunk->records.size());
        contents.too_long.push_back(reason);
      }
      if (chunk->end) return contents;
    }
  }

  Contents read_csv(const std::string& text, Texts columns, const std::string& delimiter = "",
                    const std::string& null_text = "", const std::string& header = "") {
    put("/t.csv", text);
    SourceSetup with = setup("t.csv", "csv");
    with.columns = std::move(columns);
    if (!delimiter.empty()) with.options.set("delimiter", {sql::OptionKind::kText, delimiter});
    if (!null_text.empty()) with.options.set("null_text", {sql::OptionKind::kText, null_text});
    if (!header.empty()) with.options.set("header", {sql::OptionKind::kBoolean, header, header == "true"});
    return read(with);
  }

  SimulatedEnv env_{1};
};

TEST_F(FileSourceTest, Lines) {
  put("/events.ndjson", "\xEF\xBB\xBF{\"a\":1}\r\n\n{\"a\":2}\n not json \n{\"a\":3}");
  Contents contents = read(setup("events.ndjson"));
  EXPECT_EQ(contents.error, "");
  EXPECT_EQ(contents.records, (Texts{"{\"a\":1}", "{\"a\":2}", " not json ", "{\"a\":3}"}));
}

TEST_F(FileSourceTest, JsonArray) {
  put("/events.json", " [\n {\"a\": [1, 2]},\n {\"b\": \"],\"} ]\n");
  EXPECT_EQ(read(setup("events.json")).records, (Texts{"{\"a\": [1, 2]}", "{\"b\": \"],\"}"}));
  put("/cut.json", "[{\"a\":1},{\"a\":");
  Contents cut = read(setup("cut.json"));
  EXPECT_EQ(cut.error, "/cut.json: the JSON array does not end; it is cut off at byte 14");
}

TEST_F(FileSourceTest, EmptyFiles) {
  for (const char* path : {"empty.ndjson", "empty.csv", "empty.json"}) {
    put(std::string("/") + path, "");
    Contents contents = read(setup(path));
    EXPECT_EQ(contents.error, "") << path;
    EXPECT_EQ(contents.records, Texts{}) << path;
    EXPECT_EQ(contents.chunks.size(), 1u) << path;
  }
}

TEST_F(FileSourceTest, WhatIsNoFile) {
  EXPECT_NE(read(setup("missing.json")).error.find("missing.json"), std::string::npos);
  auto missing = open_source("file", setup("missing.json"));
  EXPECT_EQ(missing.error().code, sqlstate::kUndefinedFile);
  ASSERT_TRUE(env_.files().create_directories("/folder").ok());
  EXPECT_EQ(read(setup("folder")).error, "is a folder, not a file: /folder");
  put("/t.parquet", "PAR1");
  EXPECT_NE(read(setup("t.parquet")).error.find("does not read the format parquet"), std::string::npos);
  put("/t.csv", "a,b\n1,2\n");
  EXPECT_EQ(read(setup("t.csv", "json")).error, "is CSV, but the stream's format is json: /t.csv");
}

TEST_F(FileSourceTest, ChunksDependOnInputAndSizeAlone) {
  std::string text;
  for (int i = 0; i < 60000; ++i)
    text += "{\"n\":" + std::to_string(i) + ",\"pad\":\"" + std::string(static_cast<size_t>(i % 97), 'x') + "\"}\n";
  put("/plain.ndjson", text);
  put("/packed.gz", pack(formats::Packing::kGzip, text));
  put("/packed.zst", pack(formats::Packing::kZstd, text));
  for (size_t bytes_wanted : {size_t{1}, size_t{1000}, size_t{1} << 20, size_t{100} << 20}) {
    Contents plain = read(setup("plain.ndjson"), bytes_wanted);
    ASSERT_EQ(plain.error, "");
    EXPECT_EQ(plain.records.size(), 60000u);
    EXPECT_TRUE(plain.chunks == read(setup("plain.ndjson"), bytes_wanted).chunks);
    EXPECT_TRUE(plain.chunks == read(setup("packed.gz", "json"), bytes_wanted).chunks) << "gzip";
    EXPECT_TRUE(plain.chunks == read(setup("packed.zst", "json"), bytes_wanted).chunks) << "zstd";
    for (size_t i = 0; i < plain.chunks.size(); ++i) {
      const Chunk& chunk = plain.chunks[i];
      if (chunk.records.empty()) continue;
      EXPECT_EQ(text.compare(chunk.first_position, chunk.records[0].size(), chunk.records[0]), 0);
    }
  }
}

TEST_F(FileSourceTest, CutOffPackingIsAnErrorAfterWhatWasRead) {
  std::string text;
  for (int i = 0; i < 300000; ++i) text += std::to_string(i * 2654435761u) + "\n";
  std::string packed = pack(formats::Packing::kGzip, text);
  put("/cut.gz", packed.substr(0, packed.size() - 5));
  Contents contents = read(setup("cut.gz", "json"), 1 << 20);
  EXPECT_EQ(contents.error, "/cut.gz: the gzip data ends too early: it was cut off");
  EXPECT_GT(contents.records.size(), 0u);
}

TEST_F(FileSourceTest, OfTooLongRecordsTheBeginningIsKept) {
  const std::string longest = "{\"a\":\"" + std::string(5 << 20, 'x') + "\"}";
  const std::string text = "{\"a\":1}\n" + longest + "\n{\"a\":2}\n";
  put("/long.ndjson", text);
  put("/long.ndjson.gz", pack(formats::Packing::kGzip, text));
  for (size_t bytes_wanted : {size_t{10}, size_t{1} << 20, size_t{100} << 20}) {
    SourceSetup with = setup("long.ndjson");
    with.record_bytes_max = 1 << 20;
    Contents contents = read(with, bytes_wanted);
    EXPECT_EQ(contents.error, "");
    EXPECT_EQ(contents.records, (Texts{"{\"a\":1}", longest.substr(0, 1024), "{\"a\":2}"}));
    EXPECT_EQ(contents.too_long, (Texts{"the record has 5242888 bytes; the limit is 1048576; it begins at byte 8 of "
                                        "/long.ndjson, and this is the beginning of it"}));
    with.path = "long.ndjson.gz";
    EXPECT_NE(read(with, bytes_wanted).too_long.at(0).find("byte 8 of what is packed in /long"), std::string::npos);
  }
}

TEST_F(FileSourceTest, ATooLongCsvRecordKeepsItsFieldsWhereTheyAre) {
  put("/t.csv", "b,a\n1,2\n3," + std::string(5000, '4') + "\n5,6\n");
  SourceSetup with = setup("t.csv", "csv");
  with.columns = {"a", "b"};
  with.record_bytes_max = 3000;
  Contents contents = read(with);
  EXPECT_EQ(contents.records, (Texts{"2,1", "3," + std::string(1022, '4'), "6,5"}));
  EXPECT_EQ(contents.too_long.size(), 1u);
}

TEST_F(FileSourceTest, CsvComesInTheOrderOfTheColumns) {
  EXPECT_EQ(read_csv("a,b\n1,2\n", {"a", "b"}).records, (Texts{"1,2"}));
  EXPECT_EQ(read_csv("\xEF\xBB\xBF"
                     "B,extra,A\r\n1,x,2\r\n\"3,\"\"\n\",y,\r\n",
                     {"a", "b"})
                .records,
            (Texts{"2,1", ",\"3,\"\"\n\""}));
  EXPECT_EQ(read_csv("b\n1\n", {"a", "b"}).records, (Texts{",1"}));
  EXPECT_EQ(read_csv("b\n1\n", {"a", "b"}, "", "NA").records, (Texts{"NA,1"}));
  EXPECT_EQ(read_csv("b;a\n1,5;2\n", {"a", "b"}, ";").records, (Texts{"2;1,5"}));
  EXPECT_EQ(read_csv("1,2\n3,4\n", {"a", "b"}, "", "", "false").records, (Texts{"1,2", "3,4"}));
}

TEST_F(FileSourceTest, CsvRecordsThatDoNotFitTheHeaderStayThatWay) {
  // Three fields are named; two would otherwise be taken for the two columns.
  EXPECT_EQ(read_csv("b,x,a\n1,2\n1,2,3,4\n1,\"2\n", {"a", "b"}).records, (Texts{"1,2,", "1,2,3,4", "1,\"2\n"}));
  EXPECT_NE(read_csv("x,y\n1,2\n", {"a", "b"}).error.find("/t.csv: no column is named in the header: x,y"),
            std::string::npos);
}

TEST_F(FileSourceTest, FormatOfTheRecords) {
  sql::Options options;
  EXPECT_EQ(record_format(options), "json");
  options.set("path", {sql::OptionKind::kText, "titles.CSV.gz"});
  EXPECT_EQ(record_format(options), "json");
  options.set("connector", {sql::OptionKind::kEnum, "file"});
  EXPECT_EQ(record_format(options), "csv");
  options.set("format", {sql::OptionKind::kEnum, "json"});
  EXPECT_EQ(record_format(options), "json");
}

}  // namespace
}  // namespace millrace::connectors
