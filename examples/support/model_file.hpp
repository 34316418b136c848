// SPDX-License-Identifier: Apache-2.0
// A model as people have it, one way in for all: a GGUF file, or a folder as Hugging Face's tools save it.
//
//     auto model = support::model_file::open(path);   if (!model) return complain(model.fault().sentence);
//     auto facts = model->facts();   auto words = model->words();   auto weights =
//     model->tensor("blk.0.attn_q.weight");
//
// Thread-safe once open.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <support/checkpoint.hpp>
#include <support/gguf.hpp>

namespace ashlar::support {

// What a server asks of a model. Tensors have GGUF's names.
template <class M>
concept model_source = requires(const M& model, std::string_view name) {
    { model.facts() } -> std::same_as<outcome<model::llama_facts>>;
    { model.tensor(name) } -> std::same_as<outcome<kernel::weight_view>>;
    { model.words() } -> std::same_as<outcome<tokenizer>>;
    { model.chat_program() } -> std::same_as<outcome<std::string_view>>; // a Jinja program; not_found: a base model
    { model.fingerprint() } -> std::same_as<digest128>;                  // of everything but the weights' bytes
    { model.size() } -> std::same_as<std::size_t>;                       // bytes of the weights' files
    model.release_pages();
};

class model_file {
    template <class Question>
    decltype(auto) ask(Question question) const {
        return std::visit(question, held_);
    }

public:
    static outcome<model_file> open(const std::string& path);
    static std::string name_of(const std::string& path); // a file's without its ending, a folder's own

    outcome<model::llama_facts> facts() const {
        return ask([](const auto& from) { return from.facts(); });
    }
    outcome<kernel::weight_view> tensor(std::string_view name) const {
        return ask([&](const auto& from) { return from.tensor(name); });
    }
    // As many tokens as the model has rows for; those that the file does not know stand for nothing. Answers also end
    // at the tokens that end a turn or a text in the vocabularies of the models that are read.
    outcome<tokenizer> words() const;
    outcome<std::string_view> chat_program() const {
        return ask([](const auto& from) { return from.chat_program(); });
    }
    digest128 fingerprint() const {
        return ask([](const auto& from) { return from.fingerprint(); });
    }
    std::size_t size() const {
        return ask([](const auto& from) { return from.size(); });
    }
    void release_pages() const {
        ask([](const auto& from) { from.release_pages(); });
    }

private:
    template <model_source Source>
    explicit model_file(Source source) : held_(std::move(source)) {}

    std::variant<gguf_file, checkpoint> held_;
};

static_assert(model_source<model_file>);

} // namespace ashlar::support
