// SPDX-License-Identifier: Apache-2.0
// golden.templates: chat templates of SmolLM2, Qwen2.5 and Llama 3.1 render conversations, and small templates their
// constructs, as Jinja2 does, byte for byte; what it refuses is refused.
#include <golden/golden.hpp>

#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include <support/jinja/program.hpp>

using namespace ashlar::support;
using json = nlohmann::ordered_json;

namespace {

std::string whole(const std::string& path, const std::string& otherwise) {
    std::ifstream in(path, std::ios::binary);
    if (!in) golden::stop("cannot read " + path + otherwise);
    return {std::istreambuf_iterator<char>(in), {}};
}

// What Jinja2 says of the same: nothing when both agree.
std::string difference(const jinja::program& program, const json& context, const json& expected) {
    const auto given = jinja::value::from_json(context.dump());
    if (!given) return given.fault().sentence;
    const auto made = program.render(*given->as_map());
    if (!expected.contains("rendered")) {
        const std::string words = expected["refused"];
        if (made) return "rendered what Jinja2 refuses: " + std::string(std::string_view(made->bytes));
        const bool own = made.fault().what.code == ashlar::errc::invalid_argument;
        return own == !words.empty() && (!own || made.fault().sentence == words) ? "" : made.fault().sentence;
    }
    if (!made) return "refused: " + made.fault().sentence;
    if (made->bytes.size() != made->by_template.size()) return "marks are missing";
    const std::string rendered(std::string_view(made->bytes));
    return rendered == expected["rendered"]
               ? ""
               : "rendered:\n" + rendered + "\n---\n" + expected["rendered"].get<std::string>();
}

} // namespace

int main() {
    const std::string data = ASHLAR_GOLDEN_DATA;
    const json made = json::parse(whole(data + "/templates.json", ""));
    std::map<std::string, std::string> sources{{"smollm2", made["smollm2"]},
                                               {"qwen2.5", whole(data + "/templates/qwen2.5.jinja", "")}};
    const char* given = std::getenv("ASHLAR_TEMPLATES");
    sources["llama3.1"] = whole(std::string(given ? given : ASHLAR_TEMPLATES_DEFAULT) + "/llama3.1.jinja",
                                "; test/run fetches it, and so does test/golden/fetch_templates");
    std::map<std::string, jinja::program> programs;
    for (const auto& [name, source] : sources) {
        const auto program = jinja::program::parse(source);
        if (!program) golden::stop(name + ": " + program.fault().sentence);
        programs.emplace(name, *program);
    }
    std::map<std::string, std::size_t> rendered;
    std::size_t wrong = 0;
    const auto check = [&](const std::string& name, const jinja::program& program, const json& context,
                           const json& expected) {
        const std::string why = difference(program, context, expected);
        rendered[name] += why.empty() && expected.contains("rendered");
        if (!why.empty()) std::printf("%s %s\n%s\n", name.c_str(), context.dump().c_str(), why.c_str()), ++wrong;
    };
    for (const auto& each : made["cases"]) {
        const std::string name = each["template"];
        check(name, programs.at(name), each["context"], each);
    }
    for (const auto& each : made["constructs"]) {
        const std::string source = each["program"];
        const auto program = jinja::program::parse(source);
        if (program)
            check("constructs", *program, json::object(), each);
        else if (each.contains("rendered"))
            std::printf("%s\nis not read: %s\n", source.c_str(), program.fault().sentence.c_str()), ++wrong;
    }
    bool pass = wrong == 0;
    std::ostringstream counts;
    for (const auto& [name, count] : rendered) {
        counts << ' ' << name << '=' << count;
        pass = pass && count >= 60;
    }
    std::printf("golden.templates%s different=%zu %s\n", counts.str().c_str(), wrong, pass ? "pass" : "FAIL");
    return pass ? 0 : 1;
}
