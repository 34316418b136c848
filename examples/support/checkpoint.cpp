// SPDX-License-Identifier: Apache-2.0
#include <support/checkpoint.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include <support/model_digest.hpp>
#include <support/model_tensors.hpp>
#include <support/safetensors.hpp>

namespace ashlar::support {
namespace {

constexpr std::string_view config_file = "config.json", generation_file = "generation_config.json";
constexpr std::string_view tokenizer_file = "tokenizer.json", words_file = "tokenizer_config.json";
constexpr std::string_view chat_file = "chat_template.jinja", index_file = "model.safetensors.index.json";
constexpr std::size_t text_max = 64u << 20; // Llama 3's tokenizer.json has 17 MB

std::string_view characters(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string shape_of(std::uint64_t rows, std::uint64_t columns) {
    return std::to_string(rows) + " x " + std::to_string(columns);
}

} // namespace

// Reads the weights; the first fault ends it.
class checkpoint_reader {
public:
    explicit checkpoint_reader(checkpoint& out) : out_(out) {
        for (auto& each : tensors_of(out.config_.facts)) {
            if (each.checkpoint_name.empty()) continue;
            const std::string theirs = each.checkpoint_name;
            wanted_.emplace(theirs, std::move(each));
        }
    }

    std::optional<fault> run() {
        std::vector<std::string> files;
        // As transformers has it: shards are looked for only where there is no whole file.
        const std::string whole = "model.safetensors";
        if (std::filesystem::exists(out_.path_of(whole))) {
            files.push_back(whole);
        } else if (const auto index = out_.text(index_file)) {
            auto shards = shards_of_index(*index);
            if (!shards) return out_.in_file(index_file, shards.fault());
            promised_ = std::move(shards).value();
            for (const auto& [tensor, shard] : *promised_) files.push_back(shard);
            std::ranges::sort(files);
            const auto twins = std::ranges::unique(files);
            files.erase(twins.begin(), twins.end());
        } else {
            return make_fault(errc::not_found, "the folder '" + out_.folder_ + "' has neither model.safetensors nor " +
                                                   std::string(index_file) + ": no weights");
        }
        for (const auto& file : files)
            if (auto why = shard(file)) return why;
        if (promised_ && !promised_->empty())
            return make_fault(errc::corrupt, "'" + out_.path_of(promised_->begin()->second) +
                                                 "': does not hold tensor " + in_quotes(promised_->begin()->first) +
                                                 ", which " + std::string(index_file) + " puts there");
        if (!wanted_.empty())
            return make_fault(errc::corrupt, "'" + out_.folder_ + "': no file holds tensor " +
                                                 in_quotes(wanted_.begin()->first) +
                                                 ", which the model of config.json has");
        return {};
    }

private:
    std::optional<fault> shard(const std::string& name) {
        auto file = mapped_file::open(out_.path_of(name));
        if (!file) return file.fault();
        const auto directory = safetensors::parse(file->bytes());
        if (!directory) return out_.in_file(name, directory.fault());
        for (const auto& each : directory->tensors())
            if (auto why = tensor(name, each)) return out_.in_file(name, *why);
        const auto head = directory->tensors().empty()
                              ? file->bytes()
                              : std::span(file->bytes().data(), directory->tensors().front().data.data());
        out_.heads_.push_back(model_digest(head));
        out_.shards_.push_back(std::move(file).value());
        return {};
    }

    std::optional<fault> tensor(const std::string& file, const safetensors::tensor& tensor) {
        if (promised_) {
            const auto promise = promised_->find(tensor.name);
            if (promise == promised_->end() || promise->second != file)
                return make_fault(errc::corrupt, "holds tensor " + in_quotes(tensor.name) + ", which " +
                                                     std::string(index_file) + " does not put there");
            promised_->erase(promise);
        }
        if (tensor.name.ends_with(".rotary_emb.inv_freq")) return {}; // of old checkpoints; computed from the config
        if (tensor.name == "lm_head.weight" && out_.config_.facts.tied_head) return {}; // as transformers does
        const auto found = wanted_.find(tensor.name);
        if (found == wanted_.end())
            return make_fault(errc::unsupported, "tensor " + in_quotes(tensor.name) +
                                                     " is no part of the model of config.json; ignoring it would "
                                                     "change the answer");
        const auto weights = tensor.weights();
        if (!weights) return weights.fault();
        const auto& asked = found->second;
        if (weights->rows != asked.rows || weights->columns != asked.columns)
            return make_fault(errc::invalid_argument,
                              "tensor " + in_quotes(tensor.name) + " is " + shape_of(weights->rows, weights->columns) +
                                  "; config.json asks for " + shape_of(asked.rows, asked.columns));
        out_.weights_.emplace(asked.name, *weights);
        wanted_.erase(found);
        return {};
    }

    checkpoint& out_;
    std::map<std::string, model_tensor> wanted_;                 // by their name, what is not found yet
    std::optional<std::map<std::string, std::string>> promised_; // by an index, and not found yet
};

std::string checkpoint::path_of(std::string_view file) const {
    return (std::filesystem::path(folder_) / file).string();
}

fault checkpoint::in_file(std::string_view file, const fault& why) const {
    std::string sentence = "'";
    sentence.append(path_of(file)).append("': ").append(why.sentence);
    return make_fault(why.what.code, std::move(sentence), why.what.os_code);
}

outcome<std::string_view> checkpoint::text(std::string_view file) const {
    const auto found = texts_.find(file);
    if (found == texts_.end())
        return make_fault(errc::not_found, "the folder '" + folder_ + "' has no " + std::string(file));
    return characters(found->second.bytes());
}

outcome<checkpoint> checkpoint::open(const std::string& folder) {
    checkpoint out;
    out.folder_ = folder;
    for (const auto name : {config_file, generation_file, tokenizer_file, words_file, chat_file, index_file}) {
        auto file = mapped_file::open(out.path_of(name));
        if (!file && file.fault().what.os_code == ENOENT) continue;
        if (!file) return file.fault();
        if (file->bytes().size() > text_max)
            return make_fault(errc::unsupported, "'" + out.path_of(name) + "': has more than " +
                                                     std::to_string(text_max >> 20) + " MiB of text");
        out.texts_.emplace(name, std::move(file).value());
    }
    const auto text = out.text(config_file);
    if (!text)
        return make_fault(errc::not_found, "the folder '" + folder +
                                               "' has no config.json: a model is a GGUF file, or "
                                               "a folder as Hugging Face's tools save it");
    auto config = checkpoint_config::parse(*text);
    if (!config) return out.in_file(config_file, config.fault());
    out.config_ = std::move(config).value();
    if (const auto about = out.text(words_file)) {
        auto read = checkpoint_words::parse(*about);
        if (!read) return out.in_file(words_file, read.fault());
        out.words_ = std::move(read).value();
    }
    if (auto why = checkpoint_reader(out).run()) return *why;
    return out;
}

outcome<kernel::weight_view> checkpoint::tensor(std::string_view name) const {
    if (name == "rope_freqs.weight" && config_.facts.rope_factors)
        return kernel::weight_view{.format = kernel::weight_format::f32,
                                   .data = reinterpret_cast<const std::byte*>(config_.rope_factors.data()),
                                   .rows = 1,
                                   .columns = static_cast<std::uint32_t>(config_.rope_factors.size())};
    const auto found = weights_.find(name);
    if (found == weights_.end()) return make_fault(errc::not_found, "the checkpoint has no tensor " + in_quotes(name));
    return found->second;
}

outcome<tokenizer> checkpoint::words() const {
    const auto text_of_words = text(tokenizer_file);
    if (!text_of_words) return text_of_words.fault();
    auto read = tokenizer::from_json(*text_of_words);
    if (!read) return in_file(tokenizer_file, read.fault());
    tokenizer words = std::move(read).value();
    text_frame frame = words.frame();
    const auto find = [&](const std::optional<std::string>& text, std::optional<token_id>& into) {
        if (text) into = words.special(*text);
        return !text || into;
    };
    if (const auto begin = frame.begin;
        !find(words_.begin, frame.begin) || (begin && words_.begin && begin != frame.begin))
        return in_file(words_file,
                       make_fault(errc::corrupt, "'bos_token' is " + in_quotes(*words_.begin) +
                                                     ", which tokenizer.json does not have or contradicts"));
    if (!find(words_.end, frame.end))
        return in_file(words_file, make_fault(errc::corrupt, "'eos_token' is " + in_quotes(*words_.end) +
                                                                 ", which tokenizer.json does not have"));
    if (words_.begins.value_or(frame.begins) != frame.begins)
        return in_file(words_file, make_fault(errc::unsupported, "'add_bos_token' contradicts tokenizer.json's "
                                                                 "'post_processor'"));
    std::vector<token_id> ends; // as transformers has it: generation_config.json's, or else config.json's
    for (const auto file : {generation_file, config_file}) {
        const auto about = text(file);
        if (!about || !ends.empty()) continue;
        auto named = end_tokens_of(*about);
        if (!named) return in_file(file, named.fault());
        for (const token_id id : *named)
            if (static_cast<std::uint32_t>(id) >= config_.facts.vocabulary)
                return in_file(file, make_fault(errc::corrupt, "'eos_token_id' is " + std::to_string(id) +
                                                                   ", outside config.json's 'vocab_size'"));
        ends = std::move(named).value();
    }
    if (!frame.end && !ends.empty()) frame.end = ends.front();
    if (frame.end) frame.ends.push_back(*frame.end);
    frame.ends.insert(frame.ends.end(), ends.begin(), ends.end());
    words.set_frame(std::move(frame));
    return words;
}

outcome<std::string_view> checkpoint::chat_program() const {
    if (auto own = text(chat_file)) return own;
    if (words_.chat) return std::string_view(*words_.chat);
    return make_fault(errc::not_found, "the folder '" + folder_ + "' has no chat template (" + std::string(chat_file) +
                                           ", or 'chat_template' in " + std::string(words_file) + ")");
}

digest128 checkpoint::fingerprint() const {
    std::vector<digest128> parts = heads_;
    for (const auto& [name, file] : texts_) {
        parts.push_back(model_digest(std::as_bytes(std::span(name))));
        parts.push_back(model_digest(file.bytes()));
    }
    return model_digest(std::as_bytes(std::span(parts)));
}

std::size_t checkpoint::size() const {
    std::size_t all = 0;
    for (const auto& shard : shards_) all += shard.bytes().size();
    return all;
}

void checkpoint::release_pages() const {
    for (const auto& shard : shards_) shard.release_pages();
}

} // namespace ashlar::support
