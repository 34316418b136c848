# SPDX-License-Identifier: Apache-2.0
"""The figures that bench/run knows. To add one, append a Figure.

Its command prints, as the last line of its standard output, one JSON object:

    ours, peer     numbers; peer is null where there is none
    peer_name      who the peer is, with its version
    ratio          how the bar counts: ours / peer, or whichever way round `what` says
    min, max, n    spread of the ratio (of ours, without a peer) and the number of interleaved repetitions
    anything else  that the bar wants to name, or that a reader wants to see

The bar is a list of conditions over these names, all of which must hold: "ratio <= 4, lines_left >= 0".
In a command, {build} is the release build folder, {root} the source folder and {python} this interpreter.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    id: str
    what: str  # one line: what is divided by what, in which unit
    bar: str
    command: tuple
    where: str = "cpu"  # or h200
    builds: tuple = ()  # CMake targets of the release preset that the command runs
    note: str = ""  # printed in docs/performance.md: what explains a miss, what the number does not say


FIGURES = [
    Figure(
        id="compile.light",
        what="user seconds to parse kv.hpp and fabric.hpp in one file / the same for <atomic> and <span>",
        bar="ratio <= 4, lines_left >= 0",
        command=("{python}", "{root}/bench/compile_light.py"),
    ),
    Figure(
        id="golden.logits",
        what="worst relative distance of logits from transformers' in fp32, KV in f16: ours / transformers so rounded",
        bar="f32 <= 1e-4, f16 <= 1e-3, scaled16 <= 1e-3",
        command=("{build}/bin/ashlar-golden-logits", "--json"),
        builds=("ashlar-golden-logits",),
        note="KV in f32 holds its bar (worst 2.1e-5), and so does scaled16, which is as large as f16 (7.5e-4). KV in "
             "f16 does not, and neither does the reference with such a cache on this model: transformers itself, its "
             "cache rounded to f16 and nothing else changed, is as far from its own fp32 logits (the peer). The "
             "spread is from the ratio of quadratic means to that of the worst. docs/golden.md has the measurements "
             "and the ideas that were tried.",
    ),
    Figure(
        id="golden.greedy",
        what="prompts whose 64 greedy tokens differ from transformers' (fp32); margins above 1e-2; KV in f16, scaled16",
        bar="ours == 0, prompts >= 20",
        command=("{build}/bin/ashlar-golden-greedy", "--json"),
        builds=("ashlar-golden-greedy",),
    ),
    Figure(
        id="golden.tokenizer",
        what="encodings of nasty strings that differ from those of tokenizers, and on invalid UTF-8 of llama.cpp",
        bar="ours == 0, strings >= 5000",
        command=("{build}/bin/ashlar-golden-tokenizer", "--json"),
        builds=("ashlar-golden-tokenizer",),
    ),
    Figure(
        id="kv.index",
        what="ns a block to look up, evict and insert Mooncake's conversation trace, pool of 10 %: absl's / ours",
        bar="ratio >= 1.5, n >= 7",
        command=("{build}/bin/ashlar-bench-kv-index",),
        builds=("ashlar-bench-kv-index",),
        note="The trace is named by ASHLAR_TRACES: a folder with FAST25-release/traces/*.jsonl of "
             "github.com/kvcache-ai/Mooncake, the one input of all figures that no package registry has. Blocks of 16 "
             "tokens, hashing included, least recently used first; each page that either gives to a block is "
             "compared. The peer is `absl::flat_hash_map` by 64 bits of `absl::HashOf(parent, tokens)`, not compared "
             "with the tokens, and an intrusive list.",
    ),
    Figure(
        id="kv.plan",
        what="instructions a contiguous run to plan a transfer of 5,000 tokens in fragmented blocks of 16",
        bar="ours <= 60, allocations == 0",
        command=("{python}", "{root}/bench/kv_plan.py", "{build}/bin/ashlar-bench-kv-plan"),
        builds=("ashlar-bench-kv-plan",),
    ),
    Figure(
        id="kv.transfer",
        what="GB/s of verified KV pages between two processes, cold blocks of 16 KiB and up: ours / a plain copy",
        bar="of_copy >= 0.85, over_once >= 1.15, over_kernel >= 1.4, missing == 0, n >= 7",
        command=("{python}", "{root}/bench/kv_transfer.py", "{build}/bin/ashlar-bench-kv-transfer"),
        builds=("ashlar-bench-kv-transfer",),
        note="The CRC32C of each block is taken at the source while copied and again at the target; peers take none. "
             "The copy is one core's, non-temporal, between two mappings. of_copy is the worst of 16, 32 and 64 KiB, "
             "over_once and over_kernel the worst of 6 to 64 KiB and all peers: UCX put into memory of its own, no "
             "kernel; and process_vm_readv, UCX over CMA, libfabric shm 1.17 and 2.5.1, NIXL, and Mooncake over TCP. "
             "docs/kv.md has all rates and what ours rests on.",
    ),
    Figure(
        id="ofi.versions",
        what="GB/s of verified KV pages of 64 KiB between two processes: libfabric 2.5.1's tcp / the system's net",
        bar="failed == 0, n >= 7",
        command=("{python}", "{root}/bench/ofi_versions.py", "--page", "{root}/docs/ofi.md",
                 "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve", "ashlar-replay", "ashlar-split", "ashlar-test-ofi", "ashlar-bench-kv-transfer"),
        note="failed: contract kits, split tests and strikes that fail over the TCP providers of both versions. The "
             "figure makes the table in docs/ofi.md.",
    ),
    Figure(
        id="handover.exposed",
        what="KV transfer not hidden behind prefill of 512 tokens, in layers' compute time; worse of window and ofi",
        bar="exposed_layers_window <= 1, exposed_layers_ofi <= 1",
        command=("{python}", "{root}/bench/handover.py", "exposed", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
    ),
    Figure(
        id="handover.ttft",
        what="median time to the first token of 512 prompt tokens: split over ofi / unified",
        bar="ratio_window <= 1.05, ratio_ofi <= 1.08",
        command=("{python}", "{root}/bench/handover.py", "ttft", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
    ),
    Figure(
        id="serve.idle",
        what="CPU of all processes of a server in 10 s without requests, percent of a core",
        bar="ours <= 1",
        command=("{python}", "{root}/bench/serve_idle.py", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
    ),
    Figure(
        id="serve.memory",
        what="resident MiB of the largest process with a pool of 64 MiB; left: GGUF file + pool + 64 MiB - ours",
        bar="left >= 0",
        command=("{python}", "{root}/bench/serve_memory.py", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
    ),
    Figure(
        id="serve.formats",
        what="resident MiB above weights' files and pool, worst of 14 formats; left: 64 MiB - that",
        bar="left >= 0, n >= 14",
        command=("{python}", "{root}/bench/serve_formats.py", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
    ),
    Figure(
        id="json.valid",
        what="tokens/s of answers under 50 JSON schemas / of free text as long; valid_percent: of all 50",
        bar="ratio >= 0.9, valid_percent == 100, schemas >= 50",
        command=("{python}", "{root}/bench/json_valid.py", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
        note="The 50 schemas of test/golden/json_schemas.json: 40 of the JSON-Schema-Test-Suite and ten of everyday "
             "things, greedily answered by the quickstart's model and judged by jsonschema 4.26.0. Answers are "
             "bounded to 256 tokens; greedily this model repeats itself in lists and objects that need not end, so "
             "that nine of them end only because tokens that leave no room for an ending are not drawn. One that "
             "were cut would count as not valid. Speed: the five longest answers, unified engine, mask and matcher "
             "included.",
    ),
    Figure(
        id="serve.decode",
        what="tokens/s of one sequence behind a prompt of 512 tokens, two threads: ours / llama.cpp",
        bar="ratio >= 1.0",
        command=("{python}", "{root}/bench/serve_rate.py", "decode", "{build}/bin/ashlar-bench-model-decoder"),
        builds=("ashlar-bench-model-decoder",),
    ),
    Figure(
        id="serve.prefill",
        what="tokens/s of a prompt of 512 tokens, two threads: ours / llama.cpp",
        bar="ratio >= 1.0",
        command=("{python}", "{root}/bench/serve_rate.py", "prefill", "{build}/bin/ashlar-bench-model-decoder"),
        builds=("ashlar-bench-model-decoder",),
    ),
    Figure(
        id="faults.live",
        what="wrong answers, hangs and leaks under load while kill -9 and SIGSTOP hit prefill, decode and router",
        bar="ours == 0, strikes >= 300",
        command=("{python}", "{root}/bench/faults.py", "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve", "ashlar-replay"),
        note="Seven minutes or longer. test/e2e/strikes_summary.txt is such a run in more words; test/run makes 24 "
             "strikes.",
    ),
    Figure(
        id="serve.overhead",
        what="tokens/s of 8 streams through HTTP, router, prefill and decode apart / a bare engine loop, two threads",
        bar="ratio >= 0.95, n >= 7",
        command=("{python}", "{root}/bench/serve_overhead.py", "{build}/bin/ashlar-bench-model-decoder",
                 "{build}/bin/ashlar-serve"),
        builds=("ashlar-bench-model-decoder", "ashlar-serve"),
        note="Short by what two processors cannot do at once. The first 0.8 s and the last 0.5 s decode fewer than "
             "eight, which takes 215 to 230 steps where the bare loop takes 191; meanwhile prefill's two threads "
             "and decode's two share two processors. Router and client take 1.2 % of them; the decode engine waits "
             "for the router 0.08 ms a step of 17 ms, so that beginning a step before the router has seen the last "
             "could gain half a percent. Tried: one write for all that an engine says of a step, and answers' bytes "
             "written behind the next batch, not before it (0.905 to 0.919); all prompts but the first in one batch "
             "(--batch-tokens 512), and KV over window in the place of libfabric: neither changed it beyond the "
             "noise; a look around once a millisecond instead of between all layers, where it took 10 us each, 0.3 "
             "ms a step (after this row). With eight kept under way, 32 answers of 96 to 288 tokens (this script as "
             "of commit e81468d), two rounds gave 0.80: there each prompt takes turns with decode's threads. Not "
             "tried: threads of two engines that know of each other.",
    ),
    Figure(
        id="split.interference",
        what="ms between tokens (p99) at the knee while prompts of 1,024 tokens arrive, two threads: unified / split",
        bar="ratio >= 2, n >= 7",
        command=("{python}", "{root}/bench/split_interference.py", "--plot", "{root}/docs/split_interference.svg",
                 "{build}/bin/ashlar-serve"),
        builds=("ashlar-serve",),
    ),
    Figure(
        id="split.bit_equal",
        what="assertions that split and unified differ in any bit: chunks 1, 7, 16, 64, all; window, ofi; prefix hits",
        bar="ours == 0, assertions >= 1000",
        command=("{python}", "{root}/bench/exact.py", "{build}/bin/ashlar-split", "--test-case=*quickstart*"),
        builds=("ashlar-split",),
    ),
    Figure(
        id="plan.tables",
        what="printed values of Step-3, DeepSeek, InferSim and others that differ, as static_asserts and at run time",
        bar="ours == 0, rows >= 166, compilers >= 4",
        command=("{python}", "{root}/bench/plan.py", "tables"),
    ),
    Figure(
        id="plan.compile",
        what="user seconds to check all golden tables / those of <algorithm> and <span>; adds: a plan in a user's file",
        bar="ratio <= 8, adds <= 1.5, lines <= 30000",
        command=("{python}", "{root}/bench/plan.py", "compile"),
    ),
    Figure(
        id="plan.units",
        what="wrong units that a compiler accepts or refuses in other words: gcc, clang 16 and 19, nvcc",
        bar="ours == 0, files >= 4, compilers >= 4",
        command=("{python}", "{root}/bench/plan.py", "units"),
    ),
    Figure(
        id="plan.solver",
        what="percent of the best throughput that three probes of NVL72 sweeps lose / the best constant ratio loses",
        bar="fixed <= 1.1, mean <= 1.5, worst <= 4",
        command=("{build}/bin/ashlar-bench-plan-solver",),
        builds=("ashlar-bench-plan-solver",),
        note="fixed: the worst sweep with probes at the smallest ratio, 8 and 16; mean and worst: over all 1,378 "
             "triples. The sweeps scatter by 1 to 2 percent from one ratio to the next, so part of a small regret "
             "is luck: docs/plan.md says how many settings of the solver's own constants hold the bars.",
    ),
    Figure(
        id="plan.verdicts",
        what="worst error in points of predicted gains of AFD over wide EP on NVL72; signs; published verdicts",
        bar="step3 == 1, deepseek_bound == 1, l4_attention == 1, signs == 4, error <= 8",
        command=("{build}/bin/ashlar-bench-plan-verdicts",),
        builds=("ashlar-bench-plan-verdicts",),
        note="Three of four points have their sign and err by at most 6.8 points; MiniMax-M2.5 at 16K is a miss. There "
             "AFD's published step is longer than its own at 8K, with the same bytes of KV and half the tokens: no "
             "model whose steps grow with their work can follow. Tried: transfers beside the kernels, DeepEP's table "
             "for both sides, serial and optimistic pipelines, kernels without starts, a longer context, "
             "other ratios. Its "
             "source does not say how many trays ran; at 3:1 the prediction is -8.5 %, at the 17:1 assumed +10.0 %. "
             "docs/plan.md has all of it.",
    ),
    Figure(
        id="plan.rate",
        what="instructions of a verdict, price and alternatives; faster: aiconfigurator's time a point / ours",
        bar="ours <= 6000, allocations == 0, faster >= 100",
        command=("{python}", "{root}/bench/plan_rate.py", "{build}/bin/ashlar-bench-plan-rate"),
        builds=("ashlar-bench-plan-rate",),
        note="The peer's time is that of its innermost function, AFD alone, models and tables in memory; a whole "
             "estimate of its Python interface takes a hundred times longer or more. Two kinds of devices have twice "
             "the alternatives to compute: two_kinds.",
    ),
]
