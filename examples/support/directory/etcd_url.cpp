// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>

#include <support/directory/etcd.hpp>

namespace ashlar::support {

outcome<etcd_options> etcd_options_of(std::string_view url) {
    constexpr std::string_view scheme = "etcd://";
    const auto bad = [&](const std::string& why) {
        return make_fault(errc::invalid_argument,
                          in_quotes(url) + " " + why + "; write etcd://HOST:PORT,HOST:PORT/FLEET");
    };
    if (!url.starts_with(scheme)) return bad("does not begin with etcd://");
    std::string_view rest = url.substr(scheme.size());
    etcd_options out;
    if (const auto slash = rest.find('/'); slash != rest.npos) {
        out.fleet = rest.substr(slash + 1);
        rest = rest.substr(0, slash);
        const bool odd = out.fleet.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                                     "-_.") != std::string::npos;
        if (out.fleet.empty() || out.fleet.size() > 64 || odd)
            return bad("names a fleet that is not 1 to 64 letters, digits, '-', '_' and '.'");
    }
    while (!rest.empty()) {
        const auto comma = std::min(rest.find(','), rest.size());
        const std::string_view one = rest.substr(0, comma);
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        const auto colon = one.rfind(':');
        const std::string_view port = colon == one.npos ? std::string_view() : one.substr(colon + 1);
        if (colon == 0 || port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos)
            return bad("has an endpoint " + in_quotes(one) + " that is not HOST:PORT");
        out.endpoints.emplace_back(one);
    }
    if (out.endpoints.empty() || out.endpoints.size() > 16) return bad("names not 1 to 16 endpoints");
    return out;
}

} // namespace ashlar::support
