#include "common/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace imgrec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A program with one option of each interesting type, its configuration file and environment.
class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    char name[] = "/tmp/imgrec_options_XXXXXX";
    dir_ = mkdtemp(name);
    options_.add({"http.port", &port_, "port of the website", "port", "PORT"});
    options_.add({"http.max_body", &max_body_, "largest upload", "", ""});
    options_.add({"log.level", &level_, "least level", "", "LEVEL"});
    options_.add({"managers", &managers_, "where the managers are", "manager", "HOST:PORT"});
    options_.add({"once", &once_, "leave after one", "", ""});
    options_.add({"timeout", &timeout_, "patience", "", "", [this] {
                    return timeout_.count() > 0
                               ? Status()
                               : Status(StatusCode::kInvalidArgument, "must be above 0");
                  }});
  }

  ~OptionsTest() override {
    std::filesystem::remove_all(dir_);
    for (const std::string& name : variables_) unsetenv(name.c_str());
  }

  void set_variable(const std::string& name, const std::string& value) {
    variables_.push_back(name);
    setenv(name.c_str(), value.c_str(), 1);
  }

  Result<Command> parse(std::vector<std::string> arguments,
                        std::vector<std::string>* positional = nullptr) {
    std::vector<const char*> argv{"imgrec-test"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return options_.parse(static_cast<int>(argv.size()), argv.data(), positional);
  }

  std::string error_of(std::vector<std::string> arguments) {
    const auto result = parse(std::move(arguments));
    EXPECT_FALSE(result.ok());
    if (result.ok()) return "";
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    return result.status().message();
  }

  Result<Command> parse_file(const std::string& text, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--config", write_file(text)});
    return parse(std::move(more));
  }

  // The complaint without the directory: "config.yaml:3: …".
  std::string file_error(const std::string& text) {
    const std::string message = error_of({"--config", write_file(text)});
    EXPECT_THAT(message, StartsWith(dir_ + "/"));
    return message.size() > dir_.size() ? message.substr(dir_.size() + 1) : message;
  }

  std::string write_file(const std::string& text) {
    const std::string path = dir_ + "/config.yaml";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::string dir_;
  std::uint16_t port_ = 8080;
  ByteSize max_body_{64u << 20};
  std::string level_ = "info";
  std::vector<std::string> managers_{"localhost:2888"};
  bool once_ = false;
  std::chrono::milliseconds timeout_{10'000};
  std::vector<std::string> variables_;
  OptionSet options_{"imgrec-test", "tests the options", "IMGRECTEST"};
};

TEST_F(OptionsTest, KeepsDefaultsWhereNothingIsSaid) {
  const auto command = parse({});
  ASSERT_TRUE(command.ok()) << command.status().message();
  EXPECT_EQ(*command, Command::kRun);
  EXPECT_EQ(port_, 8080);
  EXPECT_THAT(managers_, ElementsAre("localhost:2888"));
}

TEST_F(OptionsTest, TakesLongAndShortFlagsInBothForms) {
  ASSERT_TRUE(parse({"--port", "1", "--http-max-body=2KiB", "--once", "--manager=a:1,b:2"}).ok());
  EXPECT_EQ(port_, 1);
  EXPECT_EQ(max_body_.bytes, 2048u);
  EXPECT_TRUE(once_);
  EXPECT_THAT(managers_, ElementsAre("a:1", "b:2"));
  ASSERT_TRUE(parse({"--http-port=2", "--once=false"}).ok());
  EXPECT_EQ(port_, 2);
  EXPECT_FALSE(once_);
}

TEST_F(OptionsTest, LastFlagWins) {
  ASSERT_TRUE(parse({"--port", "1", "--http-port", "2"}).ok());
  EXPECT_EQ(port_, 2);
}

TEST_F(OptionsTest, FlagsWinOverVariablesAndVariablesOverTheFile) {
  const std::string file =
      "http:\n  port: 1\n  max_body: 1KiB\nlog:\n  level: debug\nmanagers: [x:1, y:2]\n";
  set_variable("IMGRECTEST_HTTP_PORT", "2");
  set_variable("IMGRECTEST_HTTP_MAX_BODY", "2KiB");
  ASSERT_TRUE(parse_file(file, {"--port", "3"}).ok());
  EXPECT_EQ(port_, 3);
  EXPECT_EQ(max_body_.bytes, 2048u);
  EXPECT_EQ(level_, "debug");
  EXPECT_THAT(managers_, ElementsAre("x:1", "y:2"));
}

TEST_F(OptionsTest, FlagsBeforeTheConfigFlagWinToo) {
  ASSERT_TRUE(parse({"--port", "3", "--config", write_file("http: {port: 1}\n")}).ok());
  EXPECT_EQ(port_, 3);
}

TEST_F(OptionsTest, EmptyVariablesCountAsNotSetAndForeignOnesAreIgnored) {
  set_variable("IMGRECTEST_HTTP_PORT", "");
  set_variable("IMGRECTEST_SOMETHING_ELSE", "x");
  ASSERT_TRUE(parse({}).ok());
  EXPECT_EQ(port_, 8080);
}

TEST_F(OptionsTest, WrongTypeNamesFileLineAndKey) {
  EXPECT_EQ(file_error("log:\n  level: info\nhttp:\n  port: \"80a\"\n"),
            "config.yaml:4: http.port: \"80a\" is not a whole number from 0 to 65535");
  EXPECT_THAT(file_error("http:\n  port: 010\n"),
              StartsWith("config.yaml:2: http.port: \"010\" has a leading zero"));
  EXPECT_EQ(file_error("http: {port: [1]}\n"),
            "config.yaml:1: http.port: takes one value, not a list");
  EXPECT_EQ(file_error("http: {port: {a: 1}}\n"),
            "config.yaml:1: http.port: takes a value, not further keys");
  EXPECT_EQ(file_error("log:\n  level:\n"),
            "config.yaml:2: log.level: has no value; write \"\" for an empty text");
  EXPECT_THAT(file_error("managers: [a, [b]]\n"), StartsWith("config.yaml:1: managers: takes a"));
}

TEST_F(OptionsTest, WrongFlagOrVariableIsNamed) {
  EXPECT_EQ(error_of({"--port", "80a"}), "--port: \"80a\" is not a whole number from 0 to 65535");
  set_variable("IMGRECTEST_HTTP_PORT", "70000");
  EXPECT_EQ(error_of({}), "IMGRECTEST_HTTP_PORT: \"70000\" is not a whole number from 0 to 65535");
}

TEST_F(OptionsTest, UnknownKeyIsAnErrorWithAHint) {
  EXPECT_EQ(file_error("http:\n  prot: 1\n"),
            "config.yaml:2: unknown key http.prot; did you mean http.port?");
  EXPECT_EQ(file_error("\nhtpp:\n  port: 1\n"),
            "config.yaml:2: unknown key htpp; did you mean http?");
  EXPECT_EQ(file_error("colour: red\n"),
            "config.yaml:1: unknown key colour; imgrec-test --help lists all");
}

TEST_F(OptionsTest, UnknownFlagIsAnErrorWithAHint) {
  EXPECT_EQ(error_of({"--prot", "1"}),
            "unknown flag --prot; did you mean --port? imgrec-test --help lists all");
  EXPECT_EQ(error_of({"--colour"}), "unknown flag --colour; imgrec-test --help lists all");
  EXPECT_THAT(error_of({"-p"}), HasSubstr("unknown flag -p"));
}

TEST_F(OptionsTest, DuplicateKeyIsAnError) {
  EXPECT_EQ(file_error("http:\n  port: 1\n  port: 2\n"), "config.yaml:3: http.port is given twice");
  EXPECT_EQ(file_error("http: {port: 1}\nhttp: {max_body: 1}\n"),
            "config.yaml:2: http is given twice");
}

TEST_F(OptionsTest, BrokenYamlNamesFileAndLine) {
  EXPECT_THAT(file_error("http:\n  port: [1\n"), StartsWith("config.yaml:"));
  EXPECT_EQ(file_error("- a\n"), "config.yaml:1: expected \"key: value\" lines");
  EXPECT_EQ(file_error("http: 80\n"), "config.yaml:1: http: expected \"key: value\" lines");
  EXPECT_EQ(file_error("a: 1\n---\nb: 1\n"), "config.yaml: holds more than one YAML document");
  // To yaml-cpp these are documents without end: reading all of them would take all memory.
  EXPECT_EQ(file_error("[1], 2]"), "config.yaml: holds more than one YAML document");
  EXPECT_THAT(file_error("&a [*a]: 1\n"), StartsWith("config.yaml:1: "));
  EXPECT_THAT(file_error(std::string("http:\n  port: 1\0\n", 17)), StartsWith("config.yaml:"));
}

TEST_F(OptionsTest, DeeplyNestedYamlIsAnErrorAndNoCrash) {
  EXPECT_THAT(file_error("a: " + std::string(100'000, '[')), StartsWith("config.yaml"));
  EXPECT_THAT(file_error("a: " + std::string(100'000, '{')), StartsWith("config.yaml"));
}

TEST_F(OptionsTest, EmptyFileAndEmptySectionsAreFine) {
  EXPECT_TRUE(parse_file("").ok());
  EXPECT_TRUE(parse_file("# nothing yet\n").ok());
  EXPECT_TRUE(parse_file("http:\n  # port: 1\nlog:\n").ok());
  EXPECT_EQ(port_, 8080);
}

TEST_F(OptionsTest, MissingOversizeOrUnreadableFileIsAnError) {
  const auto missing = parse({"--config", dir_ + "/none.yaml"});
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(), StartsWith(dir_ + "/none.yaml: cannot be opened"));
  EXPECT_THAT(error_of({"--config", dir_}), StartsWith(dir_ + ": cannot be read"));
  EXPECT_THAT(file_error(std::string((1 << 20) + 1, '#')),
              StartsWith("config.yaml: is larger than 1 MiB"));
}

TEST_F(OptionsTest, ChecksRunOnceEverySourceIsReadAndNameTheSource) {
  EXPECT_EQ(file_error("\ntimeout: 0s\n"), "config.yaml:2: timeout: must be above 0");
  EXPECT_EQ(error_of({"--timeout", "0s"}), "--timeout: must be above 0");
  EXPECT_TRUE(parse_file("timeout: 0s\n", {"--timeout", "1s"}).ok());
  timeout_ = std::chrono::milliseconds(0);
  OptionSet fresh("imgrec-test", "", "IMGRECTEST");
  fresh.add({"timeout", &timeout_, "", "", "",
             [] { return Status(StatusCode::kInvalidArgument, "must be above 0"); }});
  const char* argv[] = {"imgrec-test"};
  EXPECT_EQ(fresh.parse(1, argv).status().message(), "timeout: must be above 0");
}

TEST_F(OptionsTest, FlagWithoutItsValueIsAnError) {
  EXPECT_EQ(error_of({"--port"}), "--port needs a value behind it");
  EXPECT_EQ(error_of({"--config"}), "--config needs a value behind it");
}

TEST_F(OptionsTest, PositionalArgumentsOnlyWhereAskedFor) {
  EXPECT_EQ(error_of({"photo.jpg"}),
            "unexpected argument \"photo.jpg\"; imgrec-test --help lists what it takes");
  EXPECT_THAT(error_of({"--", "--port"}), StartsWith("unknown flag --port"));
  std::vector<std::string> positional;
  ASSERT_TRUE(parse({"check", "--port", "1", "-", "--", "--port"}, &positional).ok());
  EXPECT_THAT(positional, ElementsAre("check", "-", "--port"));
  EXPECT_EQ(port_, 1);
}

TEST_F(OptionsTest, HelpAndVersionWinOverMistakes) {
  EXPECT_EQ(*parse({"--port", "x", "--help"}), Command::kHelp);
  EXPECT_EQ(*parse({"--nonsense", "--version"}), Command::kVersion);
  EXPECT_EQ(*parse({"--check-config"}), Command::kCheckConfig);
  EXPECT_FALSE(parse({"--check-config", "--port", "x"}).ok());
}

TEST_F(OptionsTest, HelpShowsFlagsDefaultsAndSources) {
  const std::string help = options_.help();
  EXPECT_THAT(help, StartsWith("imgrec-test: tests the options\n"));
  EXPECT_THAT(help, HasSubstr("  --port PORT"));
  EXPECT_THAT(help, HasSubstr("port of the website (default 8080) [--http-port]\n"));
  EXPECT_THAT(help, HasSubstr("largest upload (default 64MiB)\n"));
  EXPECT_THAT(help, HasSubstr("--http-max-body SIZE"));
  EXPECT_THAT(help, HasSubstr("IMGRECTEST_HTTP_PORT"));
}

TEST_F(OptionsTest, ASecretIsTakenFromVariableAndFileButNoFlag) {
  std::string secret;
  options_.add({.key = "token",
                .target = &secret,
                .help = "the secret",
                .flag = "",
                .value = "",
                .check = {},
                .secret = true});
  const std::string error = error_of({"--token", "hunter2"});
  EXPECT_THAT(error, HasSubstr("no place on a command line"));
  EXPECT_THAT(error, HasSubstr("IMGRECTEST_TOKEN"));
  EXPECT_THAT(error, testing::Not(HasSubstr("hunter2")));
  set_variable("IMGRECTEST_TOKEN", "hunter2");
  ASSERT_TRUE(parse({}).ok());
  EXPECT_EQ(secret, "hunter2");
  EXPECT_THAT(options_.help(), testing::Not(HasSubstr("--token")));
  EXPECT_THAT(options_.help(), testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(options_.help(), HasSubstr("IMGRECTEST_TOKEN"));
}

TEST(VersionLine, NamesProgramAndVersion) {
  EXPECT_THAT(version_line("imgrec-x"), testing::MatchesRegex("imgrec-x [0-9]+\\.[0-9]+\\.[0-9]+"));
}

}  // namespace
}  // namespace imgrec
