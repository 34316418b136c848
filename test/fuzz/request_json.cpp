// SPDX-License-Identifier: Apache-2.0
// Bodies of requests: whatever comes, there is a request within its limits or an error that names a status and a
// reason.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include <serve/compile_grammar.cpp>
#include <serve/openai.cpp>
#include <serve/openai_answer.cpp>
#include <serve/openai_fields.cpp>
#include <serve/openai_format.cpp>
#include <serve/openai_grammar.cpp>
#include <serve/openai_prompt.cpp>
#include <serve/openai_sampling.cpp>
#include <serve/openai_tools.cpp>
#include <serve/text.cpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const serve::api_limits limits{.model = "m", .context = 4096, .vocabulary = 49152};
    const auto check_error = [](const serve::api_error& fault) {
        if ((fault.status != 400 && fault.status != 404) || fault.message.empty()) std::abort();
        if (serve::error_body(fault).empty()) std::abort();
    };
    for (const bool chat : {false, true}) {
        const auto parsed = serve::parse_generation(body, limits, chat);
        if (const auto* fault = std::get_if<serve::api_error>(&parsed)) {
            check_error(*fault);
            continue;
        }
        const auto& want = std::get<serve::generation>(parsed);
        const bool bounded =
            want.n >= 1 && want.n <= limits.choices && want.temperature >= 0 && want.temperature <= 2 &&
            want.top_p > 0 && want.top_p <= 1 && want.stop.size() <= 4 && want.min_p >= 0 && want.min_p <= 1 &&
            want.repetition_penalty > 0 && want.presence_penalty >= -2 && want.presence_penalty <= 2 &&
            want.frequency_penalty >= -2 && want.frequency_penalty <= 2 && want.prompts.size() <= limits.prompts &&
            (!want.logprobs || *want.logprobs <= limits.top_logprobs) &&
            (chat ? !want.messages.empty() : !want.prompts.empty());
        if (!bounded) std::abort();
        for (const auto& [token, bias] : want.logit_bias) {
            const bool known = token >= 0 && static_cast<std::uint32_t>(token) < limits.vocabulary;
            if (!known || !(bias >= -100 && bias <= 100)) std::abort();
        }
        if (want.form.bound()) {
            const auto made = serve::grammar_of(want.form);
            if (const auto* fault = std::get_if<serve::api_error>(&made)) check_error(*fault);
        }
        for (const auto& each : want.prompts) {
            if (const auto* ids = std::get_if<std::vector<serve::token_id>>(&each))
                for (const auto id : *ids)
                    if (id < 0 || static_cast<std::uint32_t>(id) >= limits.vocabulary) std::abort();
        }
    }
    if (const auto parsed = serve::parse_tokenize(body, limits);
        const auto* fault = std::get_if<serve::api_error>(&parsed))
        check_error(*fault);
    if (const auto parsed = serve::parse_detokenize(body, limits);
        const auto* fault = std::get_if<serve::api_error>(&parsed))
        check_error(*fault);

    // The same bytes as text on its way out, cut in two at every third place: the cut must not show.
    serve::text_stream whole({"</s>", "ab"}, false), parts({"</s>", "ab"}, false);
    whole.push(body), whole.flush();
    const std::string expected = whole.take();
    if (serve::utf8_prefix(expected) != expected.size()) std::abort();
    std::string got;
    for (std::size_t at = 0; at < body.size(); at += 3) {
        parts.push(body.substr(at, 3));
        got += parts.take();
    }
    parts.flush();
    got += parts.take();
    if (got != expected || parts.stopped() != whole.stopped()) std::abort();
    return 0;
}
