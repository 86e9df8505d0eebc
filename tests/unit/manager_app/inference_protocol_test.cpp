#include "manager/app/inference_protocol.h"

#include <cstring>
#include <variant>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace imgrec::manager {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Read = std::variant<InferenceRequest, Refusal>;

const ModelIdentity kModel{"pets", "d1", 3};
const ModelIdentity kLargeModel{"all", "d2", 5000};

std::string le32(std::uint32_t value) {
  std::string bytes(4, '\0');
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

// A request for `elements`, with what `change` does to it.
Json json_request(int elements = 1) {
  Json data = Json::array();
  for (int i = 0; i < elements; ++i) data.push_back("Zm9v");
  return {{"inputs",
           {{{"name", "image"}, {"shape", {elements}}, {"datatype", "BYTES"}, {"data", data}}}}};
}
Json binary_request(std::size_t bytes, Json shape = {1}) {
  return {{"inputs", Json::array({{{"name", "image"},
                                   {"shape", std::move(shape)},
                                   {"datatype", "BYTES"},
                                   {"parameters", {{"binary_data_size", bytes}}}}})}};
}

Read read_json(const Json& json) { return read_inference(json.dump(), std::nullopt); }
Read read_binary(const Json& json, const std::string& tail) {
  const std::string head = json.dump();
  return read_inference(head + tail, std::to_string(head.size()));
}

InferenceRequest good(const Read& read) {
  if (const auto* refusal = std::get_if<Refusal>(&read)) {
    ADD_FAILURE() << refusal->detail;
    return {};
  }
  return std::get<InferenceRequest>(read);
}
// "400 why"
std::string refusal(const Read& read) {
  const auto* why = std::get_if<Refusal>(&read);
  return why ? std::to_string(why->status) + " " + why->detail : "it was taken";
}

// ---- inputs ----

TEST(InferenceProtocol, TakesBase64OfJson) {
  Json json = json_request(2);
  json["inputs"][0]["data"] = {"Zm9v", "YmFy"};
  json["id"] = "42";
  json["model_name"] = "whatever";
  const InferenceRequest request = good(read_json(json));
  EXPECT_THAT(request.images, ElementsAre("foo", "bar"));
  EXPECT_EQ(request.id, "42");
  EXPECT_TRUE(request.outputs.empty());
  EXPECT_FALSE(request.binary_output);
  EXPECT_FALSE(request.timeout.has_value());
}

TEST(InferenceProtocol, TakesAColumnFlatOrNested) {
  Json json = json_request(2);
  json["inputs"][0]["shape"] = {2, 1};
  EXPECT_EQ(good(read_json(json)).images.size(), 2u);
  json["inputs"][0]["data"] = {{"Zm9v"}, {"YmFy"}};
  EXPECT_THAT(good(read_json(json)).images, ElementsAre("foo", "bar"));
}

TEST(InferenceProtocol, TakesBinaryElementsBehindTheirLengths) {
  const std::string tail = le32(3) + "foo" + le32(0) + le32(5) + std::string("\0\1\2\3\4", 5);
  const InferenceRequest request = good(read_binary(binary_request(tail.size(), {3}), tail));
  EXPECT_THAT(request.images, ElementsAre("foo", "", std::string("\0\1\2\3\4", 5)));
}

TEST(InferenceProtocol, TakesABodyWithoutJsonAsTheOneElement) {
  const InferenceRequest request = good(read_inference("\xff\xd8 any bytes {", "0"));
  EXPECT_THAT(request.images, ElementsAre("\xff\xd8 any bytes {"));
  EXPECT_EQ(good(read_inference("", "0")).images.front(), "");
}

TEST(InferenceProtocol, RefusesHeaderLengthsThatCannotBe) {
  for (const char* length : {"", "-1", "x", "3x", " 3", "+3", "1e2", "4", "18446744073709551616",
                             "99999999999999999999999999"}) {
    EXPECT_THAT(refusal(read_inference("abc", length)), HasSubstr("400 Inference-Header"))
        << length;
  }
  EXPECT_THAT(refusal(read_inference(json_request().dump(), "5")), HasSubstr("malformed at byte"));
}

TEST(InferenceProtocol, RefusesBinarySizesThatLie) {
  const std::string tail = le32(3) + "foo";
  EXPECT_THAT(refusal(read_binary(binary_request(6), tail)), HasSubstr("7 bytes follow"));
  EXPECT_THAT(refusal(read_binary(binary_request(8), tail)), HasSubstr("7 bytes follow"));
  EXPECT_THAT(refusal(read_binary(binary_request(7, {2}), tail)), HasSubstr("element 1"));
  EXPECT_THAT(refusal(read_binary(binary_request(8), tail + "x")), HasSubstr("1 bytes are left"));
  EXPECT_THAT(refusal(read_binary(binary_request(7), le32(4) + "foo")), HasSubstr("3 are left"));
  EXPECT_THAT(refusal(read_binary(binary_request(7), le32(0xffffffff) + "foo")),
              HasSubstr("4294967295"));
  EXPECT_THAT(refusal(read_binary(binary_request(3), "abc")), HasSubstr("4 bytes"));
  EXPECT_THAT(refusal(read_binary(json_request(), "x")), HasSubstr("1 bytes behind its JSON"));
  EXPECT_THAT(refusal(read_json(binary_request(0))), HasSubstr("needs the header"));
}

TEST(InferenceProtocol, RefusesShapesThatDoNotFit) {
  const auto with_shape = [](Json shape) {
    Json json = json_request();
    json["inputs"][0]["shape"] = std::move(shape);
    return refusal(read_json(json));
  };
  for (const Json& shape :
       {Json(nullptr), Json(1), Json::array(), Json{0}, Json{-1}, Json{1.5}, Json{"1"}, Json{2},
        Json{1, 2}, Json{1, 0}, Json::array({Json::array({1})}),
        Json::array({1, 1, 1, 1, 1, 1, 1, 1, 1}), Json::array({1, 18446744073709551615u})}) {
    EXPECT_THAT(with_shape(shape), HasSubstr("400 the input's shape")) << shape;
  }
  // Products that overflow are not even made.
  EXPECT_THAT(with_shape({4294967296u, 4294967296u}), HasSubstr("413 one request takes at most"));
  EXPECT_THAT(with_shape({129}), HasSubstr("413"));
  EXPECT_THAT(with_shape({128}), HasSubstr("of 128 elements, its data has 1"));
}

TEST(InferenceProtocol, RefusesMoreElementsThanItsLimitBeforeDecodingThem) {
  Json json = json_request(200);
  json["inputs"][0]["shape"] = {1};
  EXPECT_THAT(refusal(read_json(json)), HasSubstr("more elements than its shape"));
}

TEST(InferenceProtocol, RefusesWhatIsNoRequest) {
  const std::pair<const char*, const char*> requests[] = {
      {"", "malformed"},
      {"\xff\xd8\xff\xe0 a JPEG", "add Inference-Header-Content-Length: 0"},
      {"[]", "must be a JSON object"},
      {"{}", "'inputs' must be"},
      {R"({"inputs":{}})", "'inputs' must be"},
      {R"({"inputs":[]})", "'inputs' must be"},
      {R"({"inputs":[1]})", "an input must be an object"},
      {R"({"inputs":[{},{}]})", "array of one input"},
      {R"({"inputs":[{"shape":[1]}]})", "no name"},
      {R"({"inputs":[{"name":3}]})", "no name"},
      {R"({"inputs":[{"name":"pixels"}]})", "no input 'pixels'; the model's only one is 'image'"},
      {R"({"inputs":[{"name":"image","datatype":"FP32","shape":[1],"data":[1]}]})", "BYTES"},
      {R"({"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}]})", "neither data"},
      {R"({"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":[7]}]})",
       "base64 texts"},
      {R"({"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":{}}]})", "base64 texts"},
      {R"({"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["!"]}]})", "no base64"},
      {R"({"id":7,"inputs":[]})", "'id' must be a string"},
      {R"({"id":"a","id":"b"})", "twice"},
      {R"({"parameters":[],"inputs":[]})", "'parameters' of the request must be an object"},
      {R"({"parameters":{"timeout":-1}})", "'timeout' of the request must be a whole number"},
      {R"({"parameters":{"timeout":1e30}})", "must be a whole number"},
      {R"({"parameters":{"timeout":"5"}})", "must be a whole number"},
      {R"({"parameters":{"binary_data_output":1}})", "must be true or false"},
  };
  for (const auto& [body, why] : requests) {
    EXPECT_THAT(refusal(read_inference(body, std::nullopt)),
                ::testing::AllOf(HasSubstr("400 "), HasSubstr(why)))
        << body;
  }
}

TEST(InferenceProtocol, RefusesBothKindsOfDataAndSharedMemory) {
  Json json = json_request();
  json["inputs"][0]["parameters"] = {{"binary_data_size", 0}};
  EXPECT_THAT(refusal(read_json(json)), HasSubstr("both data and binary_data_size"));
  json["inputs"][0]["parameters"] = {{"shared_memory_region", "r"}};
  EXPECT_THAT(refusal(read_json(json)), HasSubstr("shared memory is not supported"));
  json["inputs"][0]["parameters"] = {{"binary_data_size", "7"}};
  EXPECT_THAT(refusal(read_json(json)), HasSubstr("must be a whole number"));
}

TEST(InferenceProtocol, RefusesJsonThatIsTooDeepOrTooMuch) {
  EXPECT_THAT(refusal(read_inference(std::string(1'000'000, '['), std::nullopt)),
              HasSubstr("nested more than 8"));
  std::string zeros = "[0";
  for (int i = 0; i < 100'000; ++i) zeros += ",0";
  EXPECT_THAT(refusal(read_inference(zeros, std::nullopt)), HasSubstr("more than 4096 values"));
  Json json = json_request();
  json["id"] = std::string(1025, 'x');
  EXPECT_THAT(refusal(read_json(json)), HasSubstr("1024 bytes"));
}

TEST(InferenceProtocol, CutsLongNamesAndIgnoresUnknownParameters) {
  Json json = json_request();
  json["parameters"] = {{"priority", 7}, {"sequence_id", "s"}, {"mine", {{"a", 1}}}};
  EXPECT_EQ(good(read_json(json)).images.size(), 1u);
  json["inputs"][0]["name"] = std::string(100'000, 'n');
  EXPECT_LT(refusal(read_json(json)).size(), 200u);
}

TEST(InferenceProtocol, TakesATimeoutInMicrosecondsAndZeroAsNone) {
  Json json = json_request();
  json["parameters"] = {{"timeout", 1500}};
  EXPECT_EQ(good(read_json(json)).timeout, std::chrono::microseconds(1500));
  json["parameters"] = {{"timeout", 0}};
  EXPECT_FALSE(good(read_json(json)).timeout.has_value());
  json["parameters"] = {{"timeout", 18446744073709551615u}};
  EXPECT_GT(good(read_json(json)).timeout, std::chrono::hours(1));
}

// ---- outputs ----

InferenceRequest with_outputs(Json outputs, bool binary = false) {
  Json json = json_request();
  json["outputs"] = std::move(outputs);
  json["parameters"] = {{"binary_data_output", binary}};
  return good(read_json(json));
}

std::vector<WantedOutput> outputs_for(const InferenceRequest& request,
                                      const ModelIdentity& model = kModel) {
  const auto outputs = outputs_of(request, model);
  if (const auto* why = std::get_if<Refusal>(&outputs)) {
    ADD_FAILURE() << why->detail;
    return {};
  }
  return std::get<0>(outputs);
}

TEST(InferenceProtocol, GivesAllOutputsWhereNoneIsNamed) {
  for (const InferenceRequest& request : {with_outputs(nullptr), with_outputs(Json::array())}) {
    const auto outputs = outputs_for(request);
    ASSERT_EQ(outputs.size(), 4u);
    EXPECT_EQ(outputs.back().tensor, OutputTensor::kProbabilities);
    EXPECT_FALSE(outputs.back().binary);
    EXPECT_EQ(classes_needed(outputs, kModel), 3u);
  }
  EXPECT_TRUE(outputs_for(with_outputs(nullptr, true)).front().binary);
}

TEST(InferenceProtocol, LetsEachOutputSayWhetherItIsBinary) {
  const auto outputs = outputs_for(with_outputs(
      {{{"name", "score"}}, {{"name", "label"}, {"parameters", {{"binary_data", false}}}}}, true));
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_TRUE(outputs[0].binary);
  EXPECT_FALSE(outputs[1].binary);
  EXPECT_EQ(classes_needed(outputs, kModel), 1u);
}

TEST(InferenceProtocol, AsksWorkersForNoMoreClassesThanAreWanted) {
  const auto needed = [](int k, const ModelIdentity& model) {
    const auto request =
        with_outputs({{{"name", "probabilities"}, {"parameters", {{"classification", k}}}},
                      {{"name", "label"}}});
    return classes_needed(outputs_for(request, model), model);
  };
  EXPECT_EQ(needed(2, kModel), 2u);
  EXPECT_EQ(needed(2'000'000, kModel), 3u);
  EXPECT_EQ(needed(0, kModel), 3u) << "0 is no classification";
  EXPECT_EQ(needed(1000, kLargeModel), 1000u);
}

TEST(InferenceProtocol, RefusesOutputsThatThereAreNot) {
  const std::pair<Json, const char*> cases[] = {
      {7, "'outputs' must be an array"},
      {{7}, "an output must be an object"},
      {Json::array({{{"n", "label"}}}), "no name"},
      {Json::array({{{"name", "logits"}}}),
       "no output 'logits'; the model's are 'label', 'score', 'index', 'probabilities'"},
      {{{{"name", "label"}}, {{"name", "label"}}}, "twice"},
      {Json::array({{{"name", "label"}, {"parameters", {{"classification", -1}}}}}),
       "must be a whole number"},
      {Json::array({{{"name", "label"}, {"parameters", {{"binary_data", "yes"}}}}}),
       "must be true or false"},
      {Json::array({{{"name", "label"}, {"parameters", {{"shared_memory_region", "r"}}}}}),
       "shared memory"},
  };
  for (const auto& [outputs, why] : cases) {
    Json json = json_request();
    json["outputs"] = outputs;
    EXPECT_THAT(refusal(read_json(json)), HasSubstr(why)) << outputs;
  }
}

TEST(InferenceProtocol, GivesNoProbabilitiesOfMoreClassesThanAnAnswerHolds) {
  EXPECT_EQ(outputs_for(with_outputs(nullptr), kLargeModel).size(), 3u);
  const auto refused = [](Json output) {
    const auto outputs = outputs_of(with_outputs(Json::array({std::move(output)})), kLargeModel);
    const auto* why = std::get_if<Refusal>(&outputs);
    return why ? why->detail : "";
  };
  EXPECT_THAT(refused({{"name", "probabilities"}}), HasSubstr("'classification'"));
  EXPECT_THAT(refused({{"name", "label"}, {"parameters", {{"classification", 1001}}}}),
              HasSubstr("ask for fewer"));
  const Json metadata = model_metadata(kLargeModel);
  EXPECT_EQ(metadata["outputs"].size(), 3u);
}

// ---- answers ----

std::vector<std::vector<Prediction>> results() {
  return {{{1, "a \"cat\"", 0.75f}, {0, "dog", 0.2f}, {2, "cow", 0.05f}},
          {{2, "cow", 1.0f}, {1, "a \"cat\"", 1e-7f}, {0, "dog", 0.0f}}};
}

TEST(InferenceProtocol, AnswersInJson) {
  const auto request = with_outputs(nullptr);
  const auto answer = inference_answer(request, outputs_for(request), kModel, results());
  EXPECT_FALSE(answer.json_bytes.has_value());
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["model_name"], "pets");
  EXPECT_EQ(json["model_version"], "1");
  EXPECT_FALSE(json.contains("id"));
  const Json& outputs = json["outputs"];
  EXPECT_EQ(outputs[0], Json({{"name", "label"},
                              {"datatype", "BYTES"},
                              {"shape", {2}},
                              {"data", {"a \"cat\"", "cow"}}}));
  EXPECT_EQ(outputs[1]["datatype"], "FP32");
  EXPECT_EQ(outputs[1]["data"], Json({0.75, 1.0}));
  EXPECT_EQ(outputs[2]["datatype"], "INT32");
  EXPECT_EQ(outputs[2]["data"], Json({1, 2}));
  EXPECT_EQ(outputs[3]["shape"], Json({2, 3}));
  EXPECT_EQ(outputs[3]["data"].size(), 6u);
  EXPECT_EQ(outputs[3]["data"][0].get<float>(), 0.2f) << "by index, in the model's order";
  EXPECT_EQ(outputs[3]["data"][4].get<float>(), 1e-7f) << "no digit is lost";
}

TEST(InferenceProtocol, AnswersInBytesBehindTheJson) {
  auto request = with_outputs({{{"name", "probabilities"}}, {{"name", "label"}}}, true);
  request.id = "a\"b";
  const auto answer = inference_answer(request, outputs_for(request), kModel, results());
  ASSERT_TRUE(answer.json_bytes.has_value());
  const Json json = Json::parse(answer.body.substr(0, *answer.json_bytes));
  EXPECT_EQ(json["id"], "a\"b");
  EXPECT_EQ(json["outputs"][0]["parameters"]["binary_data_size"], 24);
  EXPECT_FALSE(json["outputs"][0].contains("data"));
  const std::string tail = answer.body.substr(*answer.json_bytes);
  float numbers[6];
  ASSERT_GE(tail.size(), sizeof numbers);
  std::memcpy(numbers, tail.data(), sizeof numbers);
  EXPECT_THAT(numbers, ElementsAre(0.2f, 0.75f, 0.05f, 0.0f, 1e-7f, 1.0f));
  EXPECT_EQ(tail.substr(24), le32(7) + "a \"cat\"" + le32(3) + "cow");
  EXPECT_EQ(json["outputs"][1]["parameters"]["binary_data_size"], tail.size() - 24);
}

TEST(InferenceProtocol, ClassifiesAnyOutputBestFirst) {
  const auto request = with_outputs({{{"name", "index"}, {"parameters", {{"classification", 2}}}},
                                     {{"name", "score"}, {"parameters", {{"classification", 9}}}}});
  const auto answer = inference_answer(request, outputs_for(request), kModel, results());
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["outputs"][0]["datatype"], "BYTES");
  EXPECT_EQ(json["outputs"][0]["shape"], Json({2, 2}));
  EXPECT_EQ(json["outputs"][0]["data"],
            Json({"0.75:1:a \"cat\"", "0.2:0:dog", "1:2:cow", "1e-07:1:a \"cat\""}));
  EXPECT_EQ(json["outputs"][1]["shape"], Json({2, 3})) << "all that there are";
}

TEST(InferenceProtocol, DescribesItself) {
  EXPECT_EQ(Json(server_metadata("1.2.3")),
            Json({{"name", "imgrec"},
                  {"version", "1.2.3"},
                  {"extensions", {"binary_tensor_data", "classification", "statistics"}}}));
  const Json model = model_metadata(kModel);
  EXPECT_EQ(model["versions"], Json::array({"1"}));
  EXPECT_EQ(
      model["inputs"],
      Json::array({{{"name", "image"}, {"datatype", "BYTES"}, {"shape", Json::array({-1})}}}));
  EXPECT_EQ(model["outputs"][3],
            Json({{"name", "probabilities"}, {"datatype", "FP32"}, {"shape", {-1, 3}}}));
  InferenceStatistics::Counts counts;
  counts.success.add(std::chrono::milliseconds(3));
  counts.last = WallTime(std::chrono::milliseconds(12'345));
  const Json statistics = statistics_json(kModel, counts);
  EXPECT_EQ(statistics["last_inference"], 12'345);
  EXPECT_EQ(statistics["inference_count"], 1);
  EXPECT_EQ(statistics["inference_stats"]["success"], Json({{"count", 1}, {"ns", 3'000'000}}));
  EXPECT_EQ(statistics["batch_stats"], Json::array());
}

}  // namespace
}  // namespace imgrec::manager
