// SPDX-License-Identifier: Apache-2.0
// A whole folder of Hugging Face's kind: whatever its files say together, there is a model whose tensors have the
// shapes that its facts ask for and lie within the files, and whose words are no more than its rows, or an error with a
// sentence. A file begins behind "====" and its digit in `names`; the folder lies in memory.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <support/model_file.hpp>
#include <support/model_tensors.hpp>

#include "require.hpp"

using namespace ashlar;

namespace {

constexpr std::array names{"config.json",           "model.safetensors",      "model.safetensors.index.json",
                           "a.safetensors",         "b.safetensors",          "tokenizer.json",
                           "tokenizer_config.json", "generation_config.json", "chat_template.jinja"};

struct folder {
    std::string path = "/dev/shm/ashlar-fuzz-XXXXXX";
    folder() { require(::mkdtemp(path.data()) != nullptr); }
    ~folder() { clear(), ::rmdir(path.c_str()); }
    std::string at(std::size_t i) const { return path + "/" + names[i]; }
    void clear() const {
        for (std::size_t i = 0; i < names.size(); ++i) ::unlink(at(i).c_str());
    }
    void write(std::size_t i, std::string_view bytes) const {
        const int file = ::open(at(i).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        require(file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
        ::close(file);
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const folder here;
    constexpr std::string_view mark = "====";
    here.clear();
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    for (auto at = rest.find(mark); at != rest.npos && at + mark.size() < rest.size(); at = rest.find(mark)) {
        const std::size_t which = static_cast<unsigned char>(rest[at + mark.size()]) - std::size_t{'0'};
        rest.remove_prefix(at + mark.size() + 1);
        if (which < names.size()) here.write(which, rest.substr(0, rest.find(mark)));
    }
    const auto model = support::model_file::open(here.path);
    if (!given(model)) return 0;
    const auto facts = model->facts();
    require(given(facts));
    unsigned sum = 0;
    for (const auto& each : support::tensors_of(*facts)) {
        const auto weights = model->tensor(each.name);
        require(given(weights) && weights->well_formed());
        require(weights->rows == each.rows && weights->columns == each.columns);
        for (std::size_t i = 0; i < weights->bytes(); ++i) sum += std::to_integer<unsigned>(weights->data[i]);
    }
    require(sum <= 255 * (model->size() + facts->head_dim * 2));
    given(model->chat_program());
    const auto words = model->words();
    if (!given(words)) return 0;
    require(words->size() == facts->vocabulary);
    for (const auto id : words->frame().ends) require(words->contains(id));
    require(!words->frame().begins || words->contains(*words->frame().begin));
    return 0;
}
