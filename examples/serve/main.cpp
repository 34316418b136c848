// SPDX-License-Identifier: Apache-2.0
// ashlar-serve: a model behind OpenAI's API, with prefill and decode apart.
//
//     ashlar-serve --model SmolLM2-135M-Instruct.gguf
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <support/model_file.hpp>

#include <support/directory/etcd.hpp>
#include <support/directory/static_file.hpp>

#include "compute.hpp"
#include "link.hpp"
#include "openai.hpp"
#include "process.hpp"
#include "settings.hpp"

namespace {

void describe(CLI::App& app, serve::settings& s) {
    app.add_option("--model", s.model,
                   "the model: a GGUF file, or a folder with config.json, safetensors and tokenizer.json")
        ->required()
        ->check(CLI::ExistingPath);
    app.add_option("--served-model-name", s.model_name, "its name in the API (default: the file's or folder's)");
    app.add_option("--host", s.host, "address to listen on")->capture_default_str();
    app.add_option("--port", s.port, "port to listen on; 0 takes a free one and prints it")->capture_default_str();
    app.add_option("--api-key", s.api_key, "clients must send it as a bearer token; better given in the environment")
        ->envname("ASHLAR_API_KEY");
    app.add_flag("--insecure", s.insecure, "allow a public address without a key");
    app.add_option(
           "--role", s.role,
           "all: router, prefill and decode on this machine; unified: router and one engine; or one process of a fleet")
        ->check(CLI::IsMember({"all", "unified", "prefill", "decode", "router"}))
        ->capture_default_str();
    app.add_option(
           "--fabric", s.fabric,
           "how KV travels: ofi, ofi:PROVIDER (net, tcp;ofi_rxm, shm, verbs;ofi_rxm, efa) or window (shared memory)")
        ->capture_default_str();
    app.add_option("--peers", s.peers,
                   "of a fleet: a file with the lines 'router HOST:PORT', 'prefill HOST', 'decode HOST'; or "
                   "etcd://HOST:PORT,HOST:PORT/FLEET");
    app.add_option("--address", s.address,
                   "with --peers etcd://...: where the fleet reaches this process; HOST of an engine, HOST:PORT of a "
                   "router");
    app.add_option("--fleet-key-file", s.fleet_key_file,
                   "of a fleet: a file that all its processes share; 32 hexadecimal digits");
    const auto number = [&app](const char* name, std::uint32_t& of, std::uint32_t low, std::uint32_t high,
                               const char* what) {
        app.add_option(name, of, what)->capture_default_str()->check(CLI::Range(low, high));
    };
    number("--threads", s.threads, 0, 1024, "compute threads of each engine (0: one for each processor)");
    number("--context", s.context, 16, 1 << 20, "tokens of prompt and answer together, at most");
    number("--pool-mib", s.pool_mib, 1, 1 << 20, "KV cache of each engine, MiB");
    number("--batch-tokens", s.batch_tokens, 16, 8192,
           "tokens of one batch; longer prompts are computed in such chunks");
    number("--sequences", s.sequences, 1, 4096, "requests that an engine holds at a time");
    app.add_flag("!--no-prefix-cache", s.prefix_caching, "do not reuse the KV of equal prompt beginnings");
    number("--request-limit", s.request_limit, 1, 65536, "requests in the server at a time; more are answered 429");
    number("--queue-limit", s.queue_limit, 1, 65536, "of these, waiting for a place on an engine");
    number("--connections", s.connections, 1, 65536,
           "of clients at a time; at the limit an idle one gives way, or the new one is answered 503");
    number("--client-timeout", s.client_timeout_s, 1, 3600,
           "seconds from the first byte of a request to its last; then 408");
    number("--attempts", s.attempts, 1, 16, "starts of a request that may end in an engine's fault");
    app.add_flag(
        "--hold", s.hold,
        "when no engine of a role is left, requests wait for one until --timeout; else they fail at once with 503");
    number("--timeout", s.timeout_s, 1, 86400, "seconds that a request may take");
    number("--drain", s.drain_s, 0, 3600, "seconds that running requests are given at SIGTERM");
    number("--heartbeat-ms", s.heartbeat_ms, 10, 60000, "engines report this often; two missed and one is written off");
    app.add_option("--log-dir", s.log_dir, "write every (time, event, action) of the scheduler there")
        ->check(CLI::ExistingDirectory);
    app.add_option("--log-level", s.log_level, "trace, debug, info, warning, error or off")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
        ->capture_default_str();
    // Between the supervisor and its children.
    app.add_option("--child", s.child)->group("");
    app.add_option("--parent", s.parent)->group("");
    app.add_option("--http-fd", s.http_fd)->group("");
    app.add_option("--control-fd", s.control_fd)->group("");
    app.add_option("--control", s.control)->group("");
    app.add_option("--key-fd", s.key_fd)->group("");
    app.add_option("--supervisor-fd", s.supervisor_fd)->group("");
    app.set_version_flag("--version", std::string("ashlar-serve ") + std::string(serve::version_text));
    app.footer("It serves /v1/completions, /v1/chat/completions, /v1/models, /health, /metrics, /version, /tokenize "
               "and /detokenize.\n"
               "Engines and the router of one machine need nothing more than --model.");
}

// A sentence about what cannot work, or nothing.
std::string objection(const serve::settings& s) {
    const bool clients = s.role == "all" || s.role == "unified" || s.role == "router";
    const std::string host = s.host.find(':') == std::string::npos ? s.host : "[" + s.host + "]";
    if (clients && s.api_key.empty() && !s.insecure && !serve::is_loopback(host + ":0"))
        return s.host + " can be reached from other machines: set --api-key KEY (or ASHLAR_API_KEY), or say --insecure";
    if (s.fabric != "ofi" && s.fabric != "window" && s.fabric.rfind("ofi:", 0) != 0)
        return "--fabric is ofi, ofi:PROVIDER or window, not '" + s.fabric + "'";
    if (s.role == "all" || s.role == "unified") {
        if (!s.peers.empty()) return "--peers is for --role router, prefill or decode";
        return {};
    }
    if (s.peers.empty())
        return "--role " + s.role +
               " needs --peers FILE, with the lines 'router HOST:PORT', 'prefill HOST', 'decode HOST'";
    std::string router;
    if (s.peers.starts_with("etcd:")) {
        if (const auto options = ashlar::support::etcd_options_of(s.peers); !options) return options.fault().sentence;
        const bool whole = s.role != "router" || (s.address.find(':') != s.address.npos && s.address.back() != ':');
        if (s.address.empty() || !whole || s.address.starts_with("0.0.0.0") || s.address.starts_with("[::]"))
            return "--role " + s.role + " with --peers etcd://... needs --address " +
                   (s.role == "router" ? "HOST:PORT" : "HOST") + ", at which the others reach this process";
        if (s.role == "router") router = s.address;
    } else {
        if (!s.address.empty()) return "--address is for --peers etcd://...; the peers file has the addresses";
        const auto lines = ashlar::support::static_file::read(s.peers);
        if (!lines) return lines.fault().sentence;
        for (const auto& line : *lines) {
            if (line.name == "router") router = line.address;
        }
    }
    if (!router.empty()) {
        if (s.fleet_key_file.empty() && !serve::is_loopback(router))
            return "the router's address " + router +
                   " can be reached from other machines: give all processes one --fleet-key-file FILE "
                   "(make it with: openssl rand -hex 16 > FILE; chmod 600 FILE)";
    }
    if (s.fleet_key_file.empty())
        return "--role " + s.role +
               " needs --fleet-key-file FILE (make it with: openssl rand -hex 16 > FILE; chmod 600 FILE)";
    return {};
}

} // namespace

int main(int argc, char** argv) {
    if (const auto words = serve::missing_instructions(); !words.empty()) {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(words.size()), words.data());
        return 2;
    }
    serve::settings settings;
    CLI::App app("A model behind OpenAI's API, its prompts computed by one process and its answers by another.",
                 "ashlar-serve");
    describe(app, settings);
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGPIPE, SIG_IGN); // whoever read the log may be gone: nobody stops serving for that
    spdlog::set_default_logger(spdlog::stderr_logger_st("ashlar"));
    spdlog::set_level(spdlog::level::from_str(settings.log_level));
    try {
        if (settings.model_name.empty()) settings.model_name = ashlar::support::model_file::name_of(settings.model);
        if (settings.threads == 0) settings.threads = std::max(1u, std::thread::hardware_concurrency());
        if (settings.child.empty()) {
            if (const std::string no = objection(settings); !no.empty()) {
                spdlog::critical(no);
                return 2;
            }
            if (settings.role == "all" || settings.role == "unified")
                return serve::run_supervisor(settings, {argv, argv + argc});
        } else {
            serve::die_with_parent(settings.parent);
        }
        const std::string role = settings.child.empty() ? settings.role : settings.child;
        return role == "router" ? serve::run_router(settings) : serve::run_engine(settings);
    } catch (const std::exception& why) {
        spdlog::critical(why.what());
        return 2;
    }
}
