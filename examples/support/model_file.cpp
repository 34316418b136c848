// SPDX-License-Identifier: Apache-2.0
#include <support/model_file.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace ashlar::support {
namespace {

template <class Source>
outcome<model_file> opened(outcome<Source> source, auto&& wrap) {
    if (!source) return source.fault();
    return wrap(std::move(source).value());
}

} // namespace

outcome<model_file> model_file::open(const std::string& path) {
    const auto wrap = [](auto source) { return model_file(std::move(source)); };
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return opened(checkpoint::open(path), wrap);
    if (path.ends_with(".safetensors"))
        return make_fault(errc::unsupported, "'" + path +
                                                 "' is a part of a model: name its folder, with config.json "
                                                 "and tokenizer.json in it");
    return opened(gguf_file::open(path), wrap);
}

std::string model_file::name_of(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) return std::filesystem::path(path).stem().string();
    const auto whole = std::filesystem::absolute(path, ignored).lexically_normal();
    return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

outcome<tokenizer> model_file::words() const {
    auto read = ask([](const auto& from) { return from.words(); });
    const auto about = facts();
    if (!read) return read;
    if (!about) return about.fault();
    tokenizer& words = read.value();
    if (words.size() > about->vocabulary)
        return make_fault(errc::corrupt, "the tokenizer has " + std::to_string(words.size()) +
                                             " tokens, more than the model's " + std::to_string(about->vocabulary) +
                                             " ('vocab_size', the embedding's rows)");
    words.pad(about->vocabulary);
    text_frame frame = words.frame();
    for (const auto text : {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>"})
        if (const auto id = words.special(text)) frame.ends.push_back(*id);
    std::vector<token_id> each;
    for (const auto id : frame.ends)
        if (std::ranges::find(each, id) == each.end()) each.push_back(id);
    frame.ends = std::move(each);
    words.set_frame(std::move(frame));
    return read;
}

} // namespace ashlar::support
