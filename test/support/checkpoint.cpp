// SPDX-License-Identifier: Apache-2.0
// golden.models reads whole checkpoints of transformers; here is what must be refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <support/checkpoint.hpp>
#include <support/model_file.hpp>
#include <support/model_tensors.hpp>

using namespace ashlar;
using support::checkpoint;
using support::checkpoint_config;

namespace {

std::string config(const std::string& more = "", const std::string& type = "llama") {
    return R"({"model_type":")" + type +
           R"(","num_hidden_layers":1,"hidden_size":32,"intermediate_size":48,"num_attention_heads":2,)"
           R"("num_key_value_heads":1,"vocab_size":5,"max_position_embeddings":64,"rms_norm_eps":1e-5)" +
           more + "}";
}

errc refused(const std::string& text) {
    const auto read = checkpoint_config::parse(text);
    REQUIRE_FALSE(read);
    CHECK(read.fault().sentence.size() > 10);
    return read.fault().what.code;
}

// A folder of its own, gone afterwards.
struct folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("ashlar-test-" + std::to_string(::getpid()));
    folder() { std::filesystem::create_directories(path); }
    ~folder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& bytes) const {
        std::ofstream(path / name, std::ios::binary) << bytes;
    }
    // Every tensor of config()'s model, and one more, for which `in` holds: ones.
    void weights(const std::string& name, auto in, const std::string& more = "",
                 const std::string& type = "F32") const {
        std::string header = "{", data;
        auto all = tensors();
        if (!more.empty()) all.push_back({more, more, 1, 32});
        for (const auto& each : all) {
            if (!in(each.checkpoint_name)) continue;
            const std::size_t from = data.size(), count = each.rows * each.columns;
            for (std::size_t i = 0; i < count; ++i)
                data += type == "F64" ? std::string(8, '\0') : std::string("\0\0\x80\x3f", 4);
            const std::string rows = each.rows > 1 ? std::to_string(each.rows) + "," : std::string();
            header.append(header.size() > 1 ? ",\"" : "\"").append(each.checkpoint_name);
            header.append("\":{\"dtype\":\"").append(type).append("\",\"shape\":[").append(rows);
            header.append(std::to_string(each.columns)).append("],\"data_offsets\":[").append(std::to_string(from));
            header.append(",").append(std::to_string(data.size())).append("]}");
        }
        const std::uint64_t length = (header += "}").size();
        std::string bytes(8, '\0');
        std::memcpy(bytes.data(), &length, 8);
        write(name, bytes + header + data);
    }
    void index(auto in_first, const std::string& first, const std::string& second) const {
        std::string map;
        for (const auto& each : tensors())
            map.append(map.empty() ? "\"" : ",\"")
                .append(each.checkpoint_name)
                .append("\":\"")
                .append(in_first(each.checkpoint_name) ? first : second)
                .append("\"");
        write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
    }
    static std::vector<support::model_tensor> tensors() {
        return support::tensors_of(checkpoint_config::parse(config())->facts);
    }
    support::fault fault() const {
        const auto opened = checkpoint::open(path.string());
        REQUIRE_FALSE(opened);
        return opened.fault();
    }
};

} // namespace

TEST_CASE("config.json says what there is to know, whichever way rotation is written") {
    const auto plain = checkpoint_config::parse(config());
    REQUIRE(plain);
    CHECK(plain->facts.head_dim == 16);
    CHECK(plain->facts.rope_base == 10000);
    CHECK(plain->facts.rope_halves);
    CHECK_FALSE(plain->facts.tied_head);
    CHECK_FALSE(plain->facts.rope_factors);
    const std::string scaling = R"("rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,)"
                                R"("original_max_position_embeddings":16)";
    const auto before = checkpoint_config::parse(config(R"(,"rope_theta":500000.0,"rope_scaling":{)" + scaling + "}"));
    const auto since =
        checkpoint_config::parse(config(R"(,"rope_parameters":{"rope_theta":500000.0,)" + scaling + "}"));
    REQUIRE(before);
    REQUIRE(since);
    CHECK(before->facts.rope_base == 500000);
    CHECK(since->facts.rope_base == 500000);
    REQUIRE(before->rope_factors.size() == 8);
    CHECK(before->rope_factors == since->rope_factors);
    CHECK(before->rope_factors.front() > 1); // 2 pi positions: between 16 / 4 and 16 / 1
    CHECK(before->rope_factors.front() < 8);
    CHECK(before->rope_factors.back() == 8);
    const auto qwen = checkpoint_config::parse(config(R"(,"tie_word_embeddings":true,"rope_scaling":null)", "qwen2"));
    REQUIRE(qwen);
    CHECK(qwen->facts.qkv_bias);
    CHECK(qwen->facts.tied_head);
    const auto normed = checkpoint_config::parse(config(R"(,"head_dim":128)", "qwen3"));
    REQUIRE(normed);
    CHECK(normed->facts.qk_norm);
    CHECK(normed->facts.head_dim == 128);
}

TEST_CASE("what would change the answer and is not computed is refused, as is what cannot be") {
    for (const char* more :
         {R"(,"hidden_act":"gelu")", R"(,"attention_bias":true)", R"(,"mlp_bias":true)",
          R"(,"use_sliding_window":true)", R"(,"layer_types":["sliding_attention"])", R"(,"quantization_config":{})",
          R"(,"rope_scaling":{"type":"yarn","factor":4.0})", R"(,"rope_parameters":{"partial_rotary_factor":0.5})"})
        CHECK(refused(config(more)) == errc::unsupported);
    CHECK(refused(config("", "mixtral")) == errc::unsupported);
    CHECK(refused("{}") == errc::unsupported);
    for (const char* more : {R"(,"head_dim":15)", R"(,"head_dim":-16)", R"(,"head_dim":"16")", R"(,"rope_theta":-1)",
                             R"(,"rope_theta":1e60)", R"(,"rope_scaling":7)", R"(,"tie_word_embeddings":1)",
                             R"(,"hidden_act":3)", R"(,"rope_scaling":{"rope_type":"llama3"})",
                             R"(,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":4.0,)"
                             R"("high_freq_factor":4.0,"original_max_position_embeddings":16})"})
        CHECK(refused(config(more)) == errc::invalid_argument);
    CHECK(refused(config("", "qwen3")) == errc::invalid_argument); // heads of no stated width
    const std::string whole = config();
    for (std::size_t size = 0; size < whole.size(); ++size) CHECK(refused(whole.substr(0, size)) == errc::corrupt);
    for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "rms_norm_eps"}) {
        std::string without = whole;
        without.replace(without.find(key), 1, "x");
        CHECK(refused(without) == errc::invalid_argument);
    }
}

TEST_CASE("an index leads to files of its own folder only") {
    const auto shards = [](const std::string& file) {
        return support::shards_of_index("{\"weight_map\":{\"t\":" + file + "}}");
    };
    REQUIRE(shards("\"a.safetensors\""));
    CHECK(shards("\"a.safetensors\"")->at("t") == "a.safetensors");
    for (const char* bad : {"\"../a.safetensors\"", "\"/etc/a.safetensors\"", "\"a\\\\b.safetensors\"", "\"a.bin\"",
                            "7", "\"a\\u0000.safetensors\"", "null"}) {
        const auto read = shards(bad);
        REQUIRE_FALSE(read);
        CHECK(read.fault().what.code == errc::corrupt);
    }
    for (const char* bad : {"", "[]", "{}", R"({"weight_map":{}})", R"({"weight_map":[]})"})
        CHECK_FALSE(support::shards_of_index(bad));
}

TEST_CASE("a model of given facts has exactly its tensors") {
    model::llama_facts f{};
    f.layers = 12, f.hidden = 32, f.heads = 4, f.kv_heads = 2, f.head_dim = 16;
    const auto shape_of = [&](std::string_view theirs, std::string_view ours) {
        const auto all = support::tensors_of(f);
        const auto found = std::ranges::find(all, theirs, &support::model_tensor::checkpoint_name);
        return found != all.end() && found->name == ours ? std::pair(found->rows, found->columns) : std::pair(0ul, 0ul);
    };
    const std::pair none(0ul, 0ul);
    CHECK(shape_of("model.layers.11.self_attn.q_proj.weight", "blk.11.attn_q.weight") == std::pair(64ul, 32ul));
    CHECK(shape_of("model.layers.12.self_attn.q_proj.weight", "blk.12.attn_q.weight") == none);
    CHECK(shape_of("model.layers.0.self_attn.k_proj.bias", "blk.0.attn_k.bias") == none);
    CHECK(shape_of("model.layers.0.self_attn.k_norm.weight", "blk.0.attn_k_norm.weight") == none);
    CHECK(shape_of("lm_head.weight", "output.weight") == std::pair(0ul, 32ul)); // no words are known
    f.qkv_bias = f.qk_norm = f.tied_head = true;
    CHECK(shape_of("model.layers.0.self_attn.k_proj.bias", "blk.0.attn_k.bias") == std::pair(1ul, 32ul));
    CHECK(shape_of("model.layers.0.self_attn.k_norm.weight", "blk.0.attn_k_norm.weight") == std::pair(1ul, 16ul));
    CHECK(shape_of("lm_head.weight", "output.weight") == none);
}

TEST_CASE("tokenizer_config.json and generation_config.json say where texts end, and how a conversation is written") {
    const auto words = support::checkpoint_words::parse(
        R"({"bos_token":null,"eos_token":{"content":"<e>","lstrip":false},"add_bos_token":false,)"
        R"("model_max_length":1e30,"chat_template":[{"name":"tool_use","template":"t"},)"
        R"({"name":"default","template":"d"}]})");
    REQUIRE(words);
    CHECK_FALSE(words->begin);
    CHECK(words->end == "<e>");
    CHECK(words->begins == false);
    CHECK(words->chat == "d");
    CHECK(support::checkpoint_words::parse(R"({"chat_template":"one"})")->chat == "one");
    CHECK_FALSE(support::checkpoint_words::parse("{}")->chat);
    for (const char* bad :
         {R"({"chat_template":7})", R"({"chat_template":["d"]})", R"({"chat_template":[{"name":"d"}]})",
          R"({"eos_token":7})", R"({"bos_token":{"content":7}})", R"({"add_bos_token":1})"})
        CHECK(support::checkpoint_words::parse(bad).fault().what.code == errc::invalid_argument);
    CHECK(support::checkpoint_words::parse(R"({"add_eos_token":true})").fault().what.code == errc::unsupported);
    CHECK(support::checkpoint_words::parse("[]").fault().what.code == errc::corrupt);
    CHECK(*support::end_tokens_of(R"({"eos_token_id":[2,0]})") == std::vector<token_id>{2, 0});
    CHECK(*support::end_tokens_of(R"({"eos_token_id":3})") == std::vector<token_id>{3});
    CHECK(support::end_tokens_of(R"({"eos_token_id":null})")->empty());
    for (const char* bad : {R"({"eos_token_id":"2"})", R"({"eos_token_id":-1})", R"({"eos_token_id":[[2]]})",
                            R"({"eos_token_id":99999999999})"}) {
        const auto read = support::end_tokens_of(bad);
        REQUIRE_FALSE(read);
        CHECK(read.fault().sentence.starts_with("'eos_token_id'"));
    }
}

TEST_CASE("a folder of shards must hold what its index promises, no more and no less") {
    const folder here;
    CHECK(here.fault().sentence.find("no config.json") != std::string::npos);
    here.write("config.json", config());
    CHECK(here.fault().sentence.find("no weights") != std::string::npos);
    here.weights("model.safetensors", [](const auto&) { return true; });
    const auto one = checkpoint::open(here.path.string());
    REQUIRE_MESSAGE(one, one.fault().sentence);
    const auto norm = one->tensor("output_norm.weight");
    REQUIRE(norm);
    CHECK(kernel::element(*norm, 0, 31) == 1);
    CHECK(one->tensor("blk.0.attn_q.bias").fault().what.code == errc::not_found);
    CHECK(one->size() > 5 * 32 * 4);

    std::filesystem::remove(here.path / "model.safetensors");
    const auto first = [](const std::string& name) { return name.find("mlp") == std::string::npos; };
    const auto second = [&](const std::string& name) { return !first(name); };
    here.index(first, "a.safetensors", "b.safetensors");
    CHECK(here.fault().what.code == errc::io); // no shards
    CHECK(here.fault().sentence.find("a.safetensors") != std::string::npos);
    here.weights("a.safetensors", first);
    here.weights("b.safetensors", second);
    const auto two = checkpoint::open(here.path.string());
    REQUIRE_MESSAGE(two, two.fault().sentence);
    CHECK(two->tensor("blk.0.ffn_up.weight"));
    CHECK(two->tensor("output_norm.weight"));
    CHECK_FALSE(two->fingerprint() == one->fingerprint());
    here.weights("b.safetensors", first);
    CHECK(here.fault().sentence.find("does not put there") != std::string::npos);
    here.write("b.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
    CHECK(here.fault().sentence.find("model.safetensors.index.json puts there") != std::string::npos);
    here.weights("b.safetensors", [&](const auto& name) { return second(name) && name.find("up_proj") == name.npos; });
    CHECK(here.fault().sentence.find("does not hold tensor 'model.layers.0.mlp.up_proj.weight'") != std::string::npos);
    here.write("model.safetensors.index.json", R"({"weight_map":{"model.norm.weight":"../a.safetensors"}})");
    CHECK(here.fault().sentence.find("no safetensors file of the folder") != std::string::npos);
    std::filesystem::remove(here.path / "b.safetensors");
    std::filesystem::create_directory(here.path / "b.safetensors");
    here.index(first, "a.safetensors", "b.safetensors");
    CHECK(here.fault().what.os_code == EISDIR);
}

TEST_CASE("a tensor that config.json does not ask for, or not so, is named with its file") {
    const folder here;
    here.write("config.json", config());
    const auto said = [&] { return here.fault().sentence; };
    here.weights("model.safetensors", [](const auto& name) { return name != "lm_head.weight"; });
    CHECK(said().find("no file holds tensor 'lm_head.weight'") != std::string::npos);
    here.write("config.json", config(R"(,"tie_word_embeddings":true)"));
    CHECK(checkpoint::open(here.path.string()));
    here.weights("model.safetensors", [](const auto&) { return true; }); // a head that nobody needs does no harm
    CHECK(checkpoint::open(here.path.string()));
    here.write("config.json", config("", "qwen2"));
    CHECK(said().find("no file holds tensor 'model.layers.0.self_attn.k_proj.bias'") != std::string::npos);
    here.weights("model.safetensors", [](const auto&) { return true; }, "model.layers.1.mlp.up_proj.weight");
    CHECK(said().find("model.safetensors': tensor 'model.layers.1.mlp.up_proj.weight' is no part of the model of "
                      "config.json") != std::string::npos);
    here.write("config.json", config(R"(,"head_dim":8)"));
    here.weights("model.safetensors", [](const auto&) { return true; });
    CHECK(said().find("model.safetensors': tensor 'model.layers.0.self_attn.") != std::string::npos);
    CHECK(said().find("x 32; config.json asks for ") != std::string::npos);
    here.write("config.json", config());
    here.weights("model.safetensors", [](const auto&) { return true; }, "", "F64");
    CHECK(said().find("is stored as F64") != std::string::npos);
    ::mkfifo((here.path / "tokenizer.json").c_str(), 0600); // is not waited for
    CHECK(here.fault().what.code == errc::io);
}

TEST_CASE("a folder's words have a frame, and as many tokens as the model has rows") {
    const folder here;
    here.write("config.json", config(R"(,"eos_token_id":1)"));
    here.weights("model.safetensors", [](const auto&) { return true; });
    const auto model = [&] { return support::model_file::open(here.path.string()); };
    CHECK(model()->words().fault().sentence.find("has no tokenizer.json") != std::string::npos);
    CHECK(model()->chat_program().fault().what.code == errc::not_found);
    const std::string begins = R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<b>","type_id":0}},)"
                               R"({"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<b>":{"ids":[3]}}})";
    const auto words = [&](const std::string& processor = "null", const std::string& more = "") {
        std::string text = R"({"added_tokens":[{"id":2,"content":"<e>","special":true},)"
                           R"({"id":3,"content":"<b>","special":true}],)"
                           R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"post_processor":)";
        text.append(processor).append(R"(,"model":{"type":"BPE","vocab":{"a":0,"b":1)").append(more);
        here.write("tokenizer.json", text.append(R"(},"merges":[]}})"));
    };
    words();
    const auto plain = model()->words();
    REQUIRE_MESSAGE(plain, plain.fault().sentence);
    CHECK(plain->size() == 5);
    CHECK(plain->bytes_of(4).empty());
    CHECK_FALSE(plain->frame().begins);
    CHECK(plain->frame().end == 1);
    CHECK(plain->frame().ends == std::vector<token_id>{1});
    here.write("generation_config.json", R"({"eos_token_id":[0,2]})");
    here.write("tokenizer_config.json", R"({"eos_token":"<e>","bos_token":"<b>","chat_template":"other"})");
    here.write("chat_template.jinja", "own");
    words(begins);
    const auto framed = model()->words();
    REQUIRE_MESSAGE(framed, framed.fault().sentence);
    CHECK(framed->frame().begins);
    CHECK(framed->frame().begin == 3);
    CHECK(framed->frame().end == 2);
    CHECK(framed->frame().ends == std::vector<token_id>{2, 0});
    const auto open = model();
    CHECK(*open->chat_program() == "own");
    std::filesystem::remove(here.path / "chat_template.jinja");
    CHECK(*model()->chat_program() == "other");

    const auto said = [&] {
        const auto read = model()->words();
        return read ? std::string() : read.fault().sentence;
    };
    here.write("tokenizer_config.json", R"({"add_bos_token":false})");
    CHECK(said().find("tokenizer_config.json': 'add_bos_token' contradicts") != std::string::npos);
    here.write("tokenizer_config.json", R"({"bos_token":"<x>"})");
    CHECK(said().find("'bos_token' is '<x>'") != std::string::npos);
    here.write("tokenizer_config.json", R"({"eos_token":"<x>"})");
    CHECK(said().find("'eos_token' is '<x>'") != std::string::npos);
    here.write("tokenizer_config.json", "{}");
    here.write("generation_config.json", R"({"eos_token_id":5})");
    CHECK(said().find("'eos_token_id' is 5") != std::string::npos);
    std::filesystem::remove(here.path / "generation_config.json");
    words("null", R"(,"c":4,"d":5)");
    CHECK(said().find("has 6 tokens, more than the model's 5") != std::string::npos);
    for (const char* other :
         {R"({"type":"BertProcessing"})", R"({"type":"TemplateProcessing","single":[]})",
          R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"<e>"}}]})"}) {
        words(other);
        CHECK(said().find("post-processor") != std::string::npos);
    }
    words(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<b>"}},{"Sequence":{"id":"A"}}]})");
    CHECK(said().find("begins a text with what is no token") != std::string::npos);
}

TEST_CASE("a path is a file or a folder, and has a name for clients") {
    using support::model_file;
    CHECK(model_file::name_of("/models/SmolLM2.Q4_1.gguf") == "SmolLM2.Q4_1");
    const folder here;
    const std::string name = here.path.filename().string();
    CHECK(model_file::name_of(here.path.string()) == name);
    CHECK(model_file::name_of(here.path.string() + "/") == name);
    std::filesystem::create_directory(here.path / "Qwen2.5-0.5B");
    CHECK(model_file::name_of((here.path / "Qwen2.5-0.5B/.").string()) == "Qwen2.5-0.5B");
    CHECK(model_file::open(here.path.string()).fault().sentence.find("no config.json") != std::string::npos);
    CHECK(model_file::open("model.safetensors").fault().sentence.find("name its folder") != std::string::npos);
    CHECK(model_file::open("no such model").fault().what.code == errc::io);
}
