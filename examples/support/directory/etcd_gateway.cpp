// SPDX-License-Identifier: Apache-2.0
#include <support/directory/etcd_gateway.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <limits>

#include <support/json.hpp>

namespace ashlar::support::etcd_gateway {

using nlohmann::json;

namespace {

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The key after the last one that begins with `prefix`.
std::string end_of(std::string prefix) {
    ++prefix.back(); // it ends in '/'
    return prefix;
}

// A 64-bit number, as a string or (small ones, from other writers) as a number; 0 when it is left out.
bool take(const json& from, const char* name, std::uint64_t& to) {
    to = 0;
    const auto at = from.find(name);
    if (at == from.end()) return true;
    if (at->is_number_unsigned()) return to = at->get<std::uint64_t>(), true;
    if (!at->is_string()) return false;
    const auto& text = at->get_ref<const std::string&>();
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), to);
    return ec == std::errc() && end == text.data() + text.size();
}
bool take(const json& from, const char* name, std::string& to) {
    const auto at = from.find(name);
    if (at == from.end()) return to.clear(), true;
    if (!at->is_string()) return false;
    auto bytes = from_base64(at->get_ref<const std::string&>());
    if (bytes) to = std::move(*bytes);
    return bytes.has_value();
}
bool is_set(const json& from, const char* name) {
    const auto at = from.find(name);
    return at != from.end() && at->is_boolean() && at->get<bool>();
}

outcome<json> read(std::string_view body) {
    auto all = read_json(body, "etcd's answer");
    if (!all || !all->contains("result")) return all;
    json inner = all->at("result"); // of answers that are streams
    if (!inner.is_object()) return make_fault(errc::corrupt, "etcd's answer has a result that is no object");
    return inner;
}
fault broken(const char* what) {
    return make_fault(errc::corrupt, std::string("etcd's answer has ") + what + " of the wrong type");
}
bool revision_of(const json& from, std::uint64_t& revision) {
    const auto header = from.find("header");
    return header != from.end() && header->is_object() && take(*header, "revision", revision);
}

// Nothing when it is another's key or a value that is not ours: no entry, and no fault of the directory either.
std::optional<directory_entry> entry_of(std::string_view key, std::string_view value, const std::string& prefix) {
    if (key.substr(0, prefix.size()) != prefix) return std::nullopt;
    const auto read = read_json(value, "an entry");
    if (!read) return std::nullopt;
    directory_entry e;
    e.name = key.substr(prefix.size());
    const auto address = read->find("address");
    if (address == read->end() || !address->is_string() || !take(*read, "incarnation", e.incarnation))
        return std::nullopt;
    e.address = address->get<std::string>();
    for (const auto* text : {&e.name, &e.address}) {
        if (text->empty() || text->size() > 256) return std::nullopt;
        for (const char c : *text) {
            if (c <= ' ' || c > '~') return std::nullopt;
        }
    }
    return e;
}

} // namespace

std::string to_base64(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t word = 0;
        const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t k = 0; k < 3; ++k) word = word << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k) out += k <= n ? digits[word >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const bool pad = i + k >= text.size() - padding;
            const auto digit = pad ? 0 : digits.find(text[i + k]);
            if (digit == std::string_view::npos) return std::nullopt;
            word = word << 6 | static_cast<std::uint32_t>(digit);
        }
        for (const int shift : {16, 8, 0}) out += static_cast<char>(word >> shift & 0xff);
    }
    out.resize(out.size() - padding);
    return out;
}

request grant(std::uint32_t ttl_s) { return {"/v3/lease/grant", json{{"TTL", std::to_string(ttl_s)}}.dump()}; }
request renew(std::uint64_t lease) { return {"/v3/lease/keepalive", json{{"ID", std::to_string(lease)}}.dump()}; }
request revoke(std::uint64_t lease) { return {"/v3/lease/revoke", json{{"ID", std::to_string(lease)}}.dump()}; }

request claim(const std::string& prefix, const directory_entry& entry, std::uint64_t lease) {
    const std::string key = to_base64(prefix + entry.name);
    const json value{{"address", entry.address}, {"incarnation", std::to_string(entry.incarnation)}};
    const json put{{"key", key}, {"value", to_base64(value.dump())}, {"lease", std::to_string(lease)}};
    const json absent{{"key", key}, {"target", "CREATE"}, {"result", "EQUAL"}, {"create_revision", "0"}};
    const json read{{"request_range", {{"key", key}}}};
    return {"/v3/kv/txn", json{{"compare", json::array({absent})},
                               {"success", json::array({json{{"request_put", put}}})},
                               {"failure", json::array({read})}}
                              .dump()};
}
request list(const std::string& prefix) {
    return {"/v3/kv/range", json{{"key", to_base64(prefix)}, {"range_end", to_base64(end_of(prefix))}}.dump()};
}
request watch(const std::string& prefix, std::uint64_t from_revision) {
    const json create{{"key", to_base64(prefix)},
                      {"range_end", to_base64(end_of(prefix))},
                      {"start_revision", std::to_string(from_revision)}};
    return {"/v3/watch", json{{"create_request", create}}.dump()};
}

outcome<leased> read_lease(std::string_view body) {
    const auto read = etcd_gateway::read(body);
    if (!read) return read.fault();
    leased out;
    std::uint64_t ttl = 0;
    if (!take(*read, "ID", out.lease) || !take(*read, "TTL", ttl) || ttl > std::numeric_limits<std::uint32_t>::max())
        return broken("an ID or a TTL");
    if (out.lease == 0) return make_fault(errc::corrupt, "etcd's answer has no lease in it");
    out.ttl_s = static_cast<std::uint32_t>(ttl);
    return out;
}

outcome<claimed> read_claim(std::string_view body, std::uint64_t lease) {
    const auto read = etcd_gateway::read(body);
    if (!read) return read.fault();
    claimed out;
    if (is_set(*read, "succeeded")) {
        out.ours = true;
        if (!revision_of(*read, out.created.value)) return broken("a header");
        return out;
    }
    const auto answers = read->find("responses");
    if (answers == read->end() || !answers->is_array() || answers->size() != 1 || !answers->front().is_object())
        return broken("responses");
    const auto range = answers->front().find("response_range");
    if (range == answers->front().end() || !range->is_object()) return broken("a response_range");
    const auto found = range->find("kvs");
    if (found == range->end()) return broken("kvs"); // there was one a moment ago, in the same transaction
    std::uint64_t holder = 0;
    if (!found->is_array() || found->size() != 1 || !found->front().is_object() ||
        !take(found->front(), "lease", holder) || !take(found->front(), "create_revision", out.created.value))
        return broken("kvs");
    out.ours = holder == lease;
    return out;
}

outcome<listed> read_list(std::string_view body, const std::string& prefix) {
    const auto read = etcd_gateway::read(body);
    if (!read) return read.fault();
    listed out;
    if (!revision_of(*read, out.revision) || out.revision == 0) return broken("a header");
    const auto kvs = read->find("kvs");
    if (kvs == read->end()) return out;
    if (!kvs->is_array()) return broken("kvs");
    for (const auto& kv : *kvs) {
        std::string key, value;
        std::uint64_t created = 0;
        if (!kv.is_object() || !take(kv, "key", key) || !take(kv, "value", value) ||
            !take(kv, "create_revision", created))
            return broken("kvs");
        if (auto e = entry_of(key, value, prefix)) e->created = {created}, out.entries.push_back(std::move(*e));
    }
    return out;
}

outcome<watched> read_watch(std::string_view line, const std::string& prefix) {
    const auto read = etcd_gateway::read(line);
    if (!read) return read.fault();
    watched out;
    out.created = is_set(*read, "created");
    out.canceled = is_set(*read, "canceled") || read->contains("error"); // the stream's own error ends it too
    if (!take(*read, "compact_revision", out.compacted)) return broken("a compact_revision");
    const auto events = read->find("events");
    if (events == read->end()) return out;
    if (!events->is_array()) return broken("events");
    for (const auto& event : *events) {
        const auto kv = event.is_object() ? event.find("kv") : event.end();
        if (!event.is_object() || kv == event.end() || !kv->is_object()) return broken("events");
        const auto type = event.find("type"); // PUT is the one that is left out
        stored one;
        one.deleted = type != event.end() && *type == "DELETE";
        std::string key, value;
        std::uint64_t created = 0;
        if (!take(*kv, "key", key) || !take(*kv, "value", value) || !take(*kv, "create_revision", created) ||
            !take(*kv, "mod_revision", one.revision))
            return broken("a kv");
        if (one.deleted) {
            if (key.substr(0, prefix.size()) != prefix) continue;
            one.entry.name = key.substr(prefix.size());
            one.entry.created = {one.revision};
        } else if (auto e = entry_of(key, value, prefix)) {
            one.entry = std::move(*e);
            one.entry.created = {created};
        } else {
            continue;
        }
        out.events.push_back(std::move(one));
    }
    return out;
}

bool says_no_lease(std::string_view body) { return body.find("requested lease not found") != body.npos; }

} // namespace ashlar::support::etcd_gateway
