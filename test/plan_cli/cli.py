#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ashlar-plan as its users run it: verdicts, the report's tables, sweeps, designs, pages, and every refusal."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as xml

PLAN = os.environ["ASHLAR_PLAN"]
HERE = pathlib.Path(__file__).resolve().parent
CONFIGS = HERE / "configs"
ASKED = ["model=step3", "attention=h20", "ffn=h800", "context=32Ki", "slo=50ms"]

# Table 6 of the Step-3 report (arXiv 2507.19427): dollars per 1M decoded tokens, in thousandths. Attention at 8K, at
# 32K, feed-forward; each on H800, H20, A800, 910B.
TABLE_6 = """
DSv3      54 128 114 113 197 460 409 407 14 36 32 32
Kimi_K2   51 65 57 57 194 231 205 204 14 36 32 32
Qwen3_MoE 135 54 91 101 527 185 338 376 8 21 19 19
Qwen3_32B 181 69 120 133 716 248 455 508 14 38 34 33
Llama_4_M 169 60 109 121 369 128 235 262 7 18 16 16
MM_M1     164 79 121 132 330 135 226 249 15 41 36 36
ERNIE_4.5 155 63 105 116 606 214 388 432 21 57 51 51
Pangu_Pro 135 49 88 98 536 183 340 379 7 18 16 16
Step-3    48 40 40 43 176 114 120 133 15 40 36 35
"""


def run(*words, cwd=None):
    done = subprocess.run([PLAN, *map(str, words)], capture_output=True, text=True, timeout=120, cwd=cwd)
    # Nothing may end in a sanitizer's report or a signal.
    assert done.returncode in (0, 1, 2), f"{words}: {done.returncode}\n{done.stderr}"
    assert "runtime error" not in done.stderr, done.stderr
    return done


def asked(*words, code=0):
    done = run(*words, "--json")
    assert done.returncode == code, f"{words}: {done.returncode}, wanted {code}\n{done.stdout[:400]}{done.stderr}"
    return json.loads(done.stdout)


class Verdict(unittest.TestCase):
    def test_the_printed_answer_is_the_golden_one(self):
        """A predicted number that moves has to move here as well."""
        done = run(*ASKED)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, (HERE / "step3.txt").read_text(encoding="utf-8"))

    def test_the_numbers_agree_with_each_other(self):
        a = asked(*ASKED)
        ranks = a["attention_ranks"] + a["ffn_ranks"]
        self.assertTrue(a["feasible"])
        self.assertLessEqual(a["time_per_token_s"], 0.05)
        self.assertAlmostEqual(a["ratio"], a["attention_ranks"] / a["ffn_ranks"])
        self.assertAlmostEqual(a["tokens_per_s_per_gpu"] / (a["requests"] / a["time_per_token_s"] / ranks), 1, 9)
        hourly = 0.80 * a["attention_ranks"] + 2.00 * a["ffn_ranks"]
        speed = a["tokens_per_s_per_gpu"] * ranks
        self.assertAlmostEqual(a["usd_per_1m_tokens"] / (hourly / 3600 / speed * 1e6), 1, 9)
        for stage in ("attention", "to_ffn", "ffn", "to_attention"):
            self.assertLessEqual(a["stages_s"][stage], a["stages_s"]["budget"])
        self.assertTrue(all(r["holds"] for r in a["reasons"] if not r["advice"]))
        best = max((c for c in a["curve"] if c["feasible"]), key=lambda c: c["tokens_per_s_per_gpu"])
        self.assertGreater(a["tokens_per_s_per_gpu"], 0.9 * best["tokens_per_s_per_gpu"])

    def test_a_dense_model_is_refused_with_its_reason(self):
        done = run("model=qwen3-32b", "device=h800")
        self.assertEqual(done.returncode, 1)
        self.assertIn("INFEASIBLE: dense_model; serve it colocated", done.stdout)
        self.assertRegex(done.stdout, r"FAIL dense_model +-100 % .*serve it colocated")

    def test_what_is_said_is_kept(self):
        a = asked(*ASKED, "attention_ranks=64", "ffn_ranks=16", "micro_batches=3", "requests=30")
        self.assertEqual((a["attention_ranks"], a["ffn_ranks"], a["micro_batches"], a["requests"]), (64, 16, 3, 1920))
        self.assertEqual(asked(*ASKED, "ratio=3A2F")["ratio"], 1.5)
        dear = asked(*ASKED, "attention_ranks=64", "ffn_ranks=16", "attention_price=1.6USD/h", "ffn_price=4")
        cheap = asked(*ASKED, "attention_ranks=64", "ffn_ranks=16")
        self.assertAlmostEqual(dear["usd_per_1m_tokens"], 2 * cheap["usd_per_1m_tokens"])

    def test_few_ranks_are_planned_one_by_one_and_never_more_than_there_are(self):
        for ranks in (2, 3, 7, 8, 9, 15, 16, 17, 40):
            for words in ([], ["attention_ranks=1"], ["ffn_ranks=1"]):
                done = run("model=smollm2-135m", "device=h20", f"ranks={ranks}", *words, "--json")
                a = json.loads(done.stdout)
                self.assertLessEqual(a["attention_ranks"] + a["ffn_ranks"], ranks)
                self.assertGreater(len(a["curve"]), 0)
        a = asked("model=step3", "device=h20", "attention_ranks=500", "ranks=512")
        self.assertLessEqual(a["ffn_ranks"], 12)

    def test_no_gap_and_no_latency_are_times(self):
        self.assertEqual(asked(*ASKED, "gap=0", "latency=0", "jitter=0"), asked(*ASKED))
        self.assertGreater(asked(*ASKED, "gap=1ms", "latency=5us")["usd_per_1m_tokens"],
                           asked(*ASKED)["usd_per_1m_tokens"])

    def test_the_best_colocated_plan_comes_first_and_is_the_one_that_beats(self):
        for words, worth in ((["attention=h20", "ffn=h800"], lambda c: 1 / c["usd_per_1m_tokens"]),
                             (["attention=h20", "ffn=h200"], lambda c: c["tokens_per_s_per_gpu"])):  # H200: no price
            a = asked("model=step3", *words)
            ranked = [worth(c) for c in a["colocated"]]
            self.assertEqual(ranked, sorted(ranked, reverse=True))
            (beaten,) = (r["margin"] for r in a["reasons"] if r["name"] == "beaten_by")
            self.assertAlmostEqual(1 - ranked[0] / worth(a), beaten)

    def test_without_a_price_there_is_none(self):
        a = asked("model=step3", "device=h200")
        self.assertIsNone(a["usd_per_1m_tokens"])
        self.assertIn("attention_price=", run("model=step3", "device=h200").stdout)

    def test_ten_million_tokens_and_a_hundred_thousand_ranks(self):
        for words in (["context=10M"], ["ranks=100000"], ["context=10M", "ranks=100000"], ["context=1G", "slo=1us"],
                      ["context=10M", "attention_ranks=100000", "ffn_ranks=100000"], ["context=1", "slo=1000s"],
                      ["requests=1G", "attention_ranks=500000", "ffn_ranks=500000"]):
            for model in ("step3", "deepseek-v3.2", "minimax-m1", "deepseek-v4-pro", "smollm2-135m"):
                done = run(f"model={model}", "device=h800", *words)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.assertNotRegex(done.stdout, r"\b(nan|inf)\b")


class Tables(unittest.TestCase):
    def test_table_6_is_the_papers(self):
        cells = asked("table", "6")["cells"]
        rows = {}
        for c in cells:
            rows.setdefault(c["row"].replace(" ", "_"), []).append(c["ours"])
        lines = [line.split() for line in TABLE_6.split("\n") if line]
        printed = {row[0]: [f"{int(n) / 1000:.3f}" for n in row[1:]] for row in lines}
        self.assertEqual(rows, printed)
        self.assertTrue(all(c["same"] for c in cells))
        text = run("table", "6").stdout
        self.assertIn("108 of 108 values are the paper's to the digit", text)
        self.assertRegex(text, r"Step-3 +ours +0.048 +0.040 +0.040 +0.043 +0.176 +0.114 +0.120 +0.133 +0.015")

    def test_the_others_are_too_but_for_one_cut_off_number(self):
        for number, cells, same in ((2, 18, 18), (3, 36, 36), (5, 8, 7), (7, 4, 4)):
            found = asked("table", number)["cells"]
            self.assertEqual((len(found), sum(c["same"] for c in found)), (cells, same), number)
        self.assertIn("2.80e-19*", run("table", 5).stdout)
        self.assertIn("cut off", run("table", 5).stdout)

    def test_there_is_no_table_4(self):
        done = run("table", "4")
        self.assertEqual(done.returncode, 2)
        self.assertIn("table 4: of the Step-3 report there are 2", done.stderr)


class Sweeps(unittest.TestCase):
    def test_a_line_for_each_combination(self):
        words = ["sweep", "model=step3,deepseek-v3", "attention=h20,h800", "ffn=h800", "context=8Ki,128K"]
        done = run(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 1 + 8)
        self.assertEqual([(s["model"], s["attention"], s["context_tokens"]) for s in asked(*words)],
                         [(m, a, c) for m in ("Step-3", "DeepSeek-V3") for a in ("H20", "H800")
                          for c in (8192, 128000)])

    def test_ratios_have_a_best_one_inside(self):
        rates = [s["usd_per_1m_tokens"] for s in asked("sweep", *ASKED[:3], "ratio=1..16") if s["feasible"]]
        self.assertGreater(len(rates), 8)
        self.assertNotIn(rates.index(min(rates)), (0, len(rates) - 1))

    def test_nothing_feasible_is_1(self):
        self.assertEqual(run("sweep", "model=qwen3-8b,qwen3-32b", "device=h800").returncode, 1)


class Designs(unittest.TestCase):
    def test_step_3_stands_in_its_own_set(self):
        d = asked("design", "attention=h20", "ffn=h800", "context=8Ki", "slo=50ms")
        step3 = [p for p in d["points"] if (p["hidden"], p["experts"], p["active"], p["width"], p["query_heads"],
                                            p["kv_heads"], p["head_dim"]) == (7168, 48, 3, 5120, 64, 1, 256)]
        self.assertEqual(len(step3), 1)
        self.assertEqual(f"{step3[0]['usd_per_1m_tokens']:.3f}", "0.055")  # the report's text, at 8K
        self.assertEqual(f"{d['bounds'][0]['sparsity_min']:.3f}", "0.058")  # Table 7, H800

    def test_the_set_is_one_of_pareto(self):
        points = asked("design", "attention=h20", "ffn=h800")["points"]
        def beats(a, b):
            pairs = [(-a["usd_per_1m_tokens"], -b["usd_per_1m_tokens"]), (a["active_experts"], b["active_experts"]),
                     (a["kv_bits"], b["kv_bits"])]
            return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)
        self.assertFalse([1 for a in points for b in points if beats(a, b)])
        for p in points:
            self.assertGreaterEqual(p["sparsity"], p["sparsity_min"])

    def test_nothing_found_is_1_and_says_what_to_do(self):
        done = run("design", "device=h800", "active=1B")
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOTHING fits", done.stdout)
        self.assertIn("widen", done.stdout)


class Configs(unittest.TestCase):
    """The public hyper-parameters of public models, against what their cards say they weigh."""

    def test_weights_are_what_the_cards_say(self):
        for name, total, active in (("deepseek_v3", 671, 37), ("deepseek_v2", 236, 21), ("deepseek_v2_lite", 15.7, 2.4),
                                    ("llama3_1_405b", 405, 405), ("llama3_2_1b", 1.24, 1.24),
                                    ("mixtral_8x7b", 46.7, 12.9),
                                    ("qwen2_5_7b", 7.6, 7.6), ("qwen3_8b", 8.2, 8.2), ("qwen3_235b", 235, 22),
                                    ("ernie4_5_300b", 300, 47), ("step3", 316, 38), ("kimi_k2", 1026, 32)):
            with self.subTest(name):
                done = run(f"model={CONFIGS / name}.json", "device=h800", "--json")
                self.assertIn(done.returncode, (0, 1), done.stderr)
                a = json.loads(done.stdout)
                self.assertAlmostEqual(a["parameters"] / 1e9 / total, 1, delta=0.02)
                # Cards count the embedding among the active ones or not.
                self.assertAlmostEqual(a["active_parameters"] / 1e9 / active, 1, delta=0.12)

    def test_a_config_json_is_called_after_its_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder, "my-model")
            here.mkdir()
            (here / "config.json").write_text((CONFIGS / "step3.json").read_text())
            for words in ("config.json", "./config.json", "../my-model/config.json"):
                done = run(f"model={words}", "device=h800", "--json", cwd=here)
                self.assertEqual(json.loads(done.stdout)["model"], "my-model")

    def test_a_file_and_the_catalogue_say_the_same(self):
        for name, catalogue in (("deepseek_v3", "deepseek-v3"), ("step3", "step3"), ("kimi_k2", "kimi-k2"),
                                ("qwen3_235b", "qwen3-235b"), ("ernie4_5_300b", "ernie-4.5")):
            with self.subTest(name):
                words = ["attention=h20", "ffn=h800", "context=32Ki", "weights=fp8", "kv=fp8"]
                # Groups of layers come in another order: sums of doubles differ in their last digits.
                ours, theirs = (json.loads(run(f"model={m}", *words, "--json").stdout,
                                           parse_float=lambda text: f"{float(text):.12g}")
                                for m in (catalogue, f"{CONFIGS / name}.json"))
                del ours["model"], theirs["model"]
                self.assertEqual(ours, theirs)

    def test_a_device_file_and_the_catalogue_say_the_same(self):
        ours, theirs = (asked("model=step3", f"attention={a}", "ffn=h800") for a in ("h20", CONFIGS / "h20.toml"))
        self.assertEqual(ours, theirs)

    def test_quantisation_sets_the_precision_of_weights(self):
        base = json.loads((CONFIGS / "qwen3_235b.json").read_text())
        for quantization, wanted in (
                (None, "bf16"), ({"quant_method": "fp8"}, "fp8"),
                ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "8-bit in fp8"),
                ({"quant_method": "awq", "bits": 4, "group_size": 128}, "4-bit in bf16"),
                ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"), ({"quant_method": "mxfp4"}, "mxfp4"),
                ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {
                    "weights": {"num_bits": 8, "type": "int"}, "input_activations": {"num_bits": 8}}}}, "int8")):
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "config.json")
                path.write_text(json.dumps(base | ({"quantization_config": quantization} if quantization else {})))
                done = run(f"model={path}", "device=h800", "--json")
                self.assertEqual(json.loads(done.stdout)["weights"], wanted, done.stderr)


class BadInput(unittest.TestCase):
    def refused(self, words, *sentences):
        done = run(*words)
        self.assertEqual(done.returncode, 2, f"{words}\n{done.stdout[:300]}{done.stderr}")
        self.assertEqual(done.stdout, "")
        for sentence in sentences:
            self.assertIn(sentence, done.stderr)

    def test_words(self):
        for words, *sentences in (
                (["model=stpe3"], '"stpe3" is no model; did you mean step3?', "deepseek-v3", "model=./config.json"),
                (["model=step3", "device=h880"], 'device=h880: "h880" is no device; did you mean h800?', "gb300"),
                (["device=h800"], "model= is missing", "ashlar-plan list"),
                (["step3"], '"step3" is no word of this command; words are key=value'),
                (["modle=step3"], 'there is no key "modle" here; did you mean model?'),
                (["model=step3", "model=step3"], "model is said twice"),
                (["model=step3", "context="], "context= has no value"),
                (["model=step3", "context=8Kib"], 'context=8Kib: "8Kib" ends in "Kib"; write 32768, 32Ki or 128K'),
                (["model=step3", "context=0"], 'context=0: "0" must be above 0'),
                (["model=step3", "context=-5"], "must be above 0"),
                (["model=step3", "context=nan"], 'context=nan: "nan" is no number'),
                (["model=step3", "context=1e300"], "more than what is planned for"),
                (["model=step3", "context=2G"], "more than 10^9 tokens"),
                (["model=step3", "context=1.5"], "is not a whole number"),
                (["model=step3", "slo=50"], 'slo=50: "50" has no unit; write a time with its unit: 50ms'),
                (["model=step3", "slo=50GB"], 'ends in "GB"'),
                (["model=step3", "card=50GB"], "one direction with its unit"),
                (["model=step3", "weights=fp9"], 'weights=fp9: "fp9" is no precision; did you mean fp8?'),
                (["model=step3", "memory=1.5"], "more than the whole"),
                (["model=step3", "accept=0.5"], "1 to 16"),
                (["model=step3", "reach=far"], "large (what large kernels reach) nor ideal"),
                (["model=step3", "ratio=1:2:3"], "3, 3:2 or 3A2F"),
                (["model=step3", "ratio=1000:1"], "fits in ranks=512"),
                (["model=step3", "ranks=10M"], "more than 10^6 ranks"),
                (["model=step3", "ranks=1"], "ranks=1 do not hold 1 of attention and 1 of experts"),
                (["model=step3", "ranks=512", "ffn_ranks=512"], "do not hold 1 of attention and 512 of experts"),
                (["model=step3", "attention_ranks=1M", "ffn_ranks=1M"], "more than 10^6 ranks"),
                (["model=step3", "device=h20", "kv=fp32"], "dense_tflops.fp32", "kv= need; choose kv="),
                (["model=step3", "device=mi455x", "kv=bf16"], "device=mi455x: dense_tflops.bf16"),
                (["model=step3", "micro_batches=100"], "more than 64 micro-batches"),
                (["model=step3", "device=h800", "ffn=h20"], "device= says both"),
                (["model=step3", "device=rubin-cpx"], "device=rubin-cpx: dense_tflops.fp8", "no peak for fp8"),
                (["model=step3", "device=l20"], "link.scale_out", "card=400Gbps"),
                (["model=step3", "--html", "no/such/folder/x.html"], "cannot be written"),
                (["model=./no/such/config.json"], "./no/such/config.json: cannot be read: No such file"),
                ([f"model={HERE}/"], "is a directory"),
                (["model=step3", "gap=50ms"], "gap= leaves nothing of a step: slo= times accept= is 50.0 ms"),
                (["model=step3", "gap=-1ms"], 'gap=-1ms: "-1ms" must be above 0'),
                (["sweep", "model=step3", "ratio=5..1"], "ratio=5..1: wants a range such as 1..16"),
                (["sweep", "model=step3", "ratio=1.."], 'ratio=1..: "" is no number'),
                (["sweep", "model=step3", "ratio=1..4096", "context=1,2,4"], "at most 10,000 combinations"),
                (["design", "device=h800", "parameters=9..1"], "ends before it begins"),
                (["design", "device=h800", "layers=5", "dense_layers=5"], "no layer for experts"),
                (["design", "device=h800", "colour=red"], 'there is no key "colour"'),
                (["table", "6", "--html", "x.html"], "--html is for a plan"),
                (["--jsn"], "--jsn")):
            with self.subTest(words):
                self.refused(words, *sentences)

    def test_config_json(self):
        base = json.loads((CONFIGS / "qwen3_235b.json").read_text())
        deepseek = json.loads((CONFIGS / "deepseek_v3.json").read_text())
        step3 = json.loads((CONFIGS / "step3.json").read_text())
        def without(config, key):
            return {k: v for k, v in config.items() if k != key}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "config.json")
            for config, *sentences in (
                    ("{", "config.json: byte 2: this is no JSON"), ("[]", "config.json: is no object"),
                    ("[" * 33 + "]" * 33, "nested deeper than 32"), ("[" * 5000, "nested deeper"),
                    (r'{"\u001b": 1, "\u001b": 2}', r'"\u001b" stands twice in one object'),
                    (" " * 2000000, "larger than a MiB"),
                    ({}, "config.json: model_type: is missing; one of llama"),
                    (base | {"model_type": "qwen3_meo"}, 'model_type: "qwen3_meo" is not understood',
                     "did you mean qwen3_moe?", "ernie4_5_moe"),
                    (base | {"model_type": 7}, "model_type: is 7, wants a text"),
                    (base | {"num_hidden_layers": 0}, "num_hidden_layers: is 0, wants a whole number of 1 to 4096"),
                    (base | {"num_hidden_layers": 10**30}, "num_hidden_layers: is 1e+30, wants a whole number"),
                    (base | {"num_hidden_layers": 1.5}, "num_hidden_layers: is 1.5"),
                    (base | {"hidden_size": "4096"}, 'hidden_size: is "4096", wants a whole number'),
                    (base | {"hidden_size": -1}, "hidden_size: is -1"),
                    (without(base, "hidden_size"), "config.json: hidden_size: is missing"),
                    (without(base, "num_experts"), "num_experts: is missing"),
                    (without(base, "vocab_size"), "vocab_size: is missing"),
                    (base | {"num_experts_per_tok": 129}, "num_experts_per_tok: is 129, more than num_experts = 128"),
                    (base | {"num_key_value_heads": 5}, "num_key_value_heads: 5 does not divide num_attention_heads"),
                    (without(base, "head_dim") | {"hidden_size": 4097}, "head_dim: is missing"),
                    (base | {"mlp_only_layers": [94]}, "mlp_only_layers: is 94, wants a whole number of 0 to 93"),
                    (base | {"mlp_only_layers": 3}, "mlp_only_layers: is 3, wants a list"),
                    (base | {"layer_types": ["linear_attention"] * 94}, 'layer_types: layer 0 is "linear_attention"'),
                    (base | {"layer_types": ["full_attention"]}, "layer_types: has 1 entries for num_hidden_layers"),
                    (base | {"tie_word_embeddings": "no"}, 'tie_word_embeddings: is "no", wants true or false'),
                    (base | {"torch_dtype": "int4"}, 'torch_dtype: is "int4"'),
                    (base | {"quantization_config": {"quant_method": "aqlm"}},
                     'quantization_config.quant_method: is "aqlm"', "weights="),
                    (base | {"quantization_config": 8}, "quantization_config: is 8, wants an object"),
                    (base | {"quantization_config": {"quant_method": "awq", "bits": 99}},
                     "quantization_config.bits: is 99"),
                    (without(deepseek, "kv_lora_rank"), "kv_lora_rank: is missing"),
                    (without(deepseek, "qk_rope_head_dim"), "qk_rope_head_dim: is missing"),
                    ({"model_type": "step3_vl", "text_config": without(step3["text_config"], "moe_layers_enum")},
                     "text_config.moe_layers_enum: is missing"),
                    ({"model_type": "step3_vl", "text_config": step3["text_config"] | {"moe_layers_enum": "4,x"}},
                     "text_config.moe_layers_enum: is"),
                    ({"model_type": "step3_vl", "text_config": step3["text_config"] | {"share_expert_dim": 100}},
                     "text_config.share_expert_dim: is 100")):
                with self.subTest(str(config)[:60]):
                    path.write_text(config if isinstance(config, str) else json.dumps(config))
                    self.refused([f"model={path}", "device=h800"], str(path), *sentences)

    def test_a_list_of_many_objects_takes_no_square_of_its_length(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "config.json")
            path.write_text('{"list": [' + "{}," * 340000 + "{}]}")
            began = time.monotonic()
            self.refused([f"model={path}", "device=h800"], "config.json: model_type: is missing")
            self.assertLess(time.monotonic() - began, 15)  # a tenth of a second; looking back from each, 30 of them

    def test_device_toml(self):
        good = (CONFIGS / "h20.toml").read_text()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "mine.toml")
            for old, new, *sentences in (
                    ('name = "H20"', "name = ", "mine.toml:2: "),
                    ('name = "H20"', "[{", "mine.toml:2: wants [table], key = value or # a comment"),
                    ('name = "H20"', 'name = "H20', "mine.toml:2: "),
                    ('name = "H20"', 'name = "H20"\nname = "H20"', "mine.toml:3: "),
                    ('name = "H20"', 'name = "H\u00fcte"', "mine.toml:2: holds a character that is not printable"),
                    ('name = "H20"', 'name = "H\\u001b20"', "mine.toml:2: name: holds a character that"),
                    ('name = "H20"', "", "mine.toml: name: is missing"),
                    ('name = "H20"', "name = 20", "mine.toml:2: name: wants a text"),
                    ('source = "Step-3 report (2507.19427), Table 4; InferSim"', "", "mine.toml: source: is missing"),
                    ('as_of = "2025-07"', 'as_of = "July"', 'mine.toml:4: as_of: "July" is no month; write "2026-09"'),
                    ('"shipping"', '"sold"', 'mine.toml:5: status: "sold" is no status; one of shipping'),
                    ('"0.80 USD/h"', '"0.80 EUR/h"', "mine.toml:6: price:", "dollars an hour"),
                    ("fp8 = 296", "fp7 = 296", "dense_tflops.fp7: is not known; did you mean fp8?"),
                    ("fp8 = 296", "fp8 = -1", "mine.toml:10: dense_tflops.fp8: wants a number above 0"),
                    ("fp8 = 296", "fp8 = inf", "mine.toml:10: dense_tflops.fp8: wants a number"),
                    ("bf16 = 148\nfp8 = 296\nint8 = 296", "", "dense_tflops: is missing"),
                    ("bf16 = 148\nfp8 = 296\nint8 = 296", "fp4 = 5", "dense_tflops.fp8", "no peak for fp8"),
                    ('"96 GB"', "96", "mine.toml:14: memory.size: wants a text in quotes, with its unit"),
                    ('"96 GB"', '"96"', 'mine.toml:14: memory.size: "96" has no unit; write',
                     '"96 GB" or "96 GiB"'),
                    ('"4 TB/s"', '"4 TB"', 'mine.toml:15: memory.bandwidth: "4 TB" ends in "TB"'),
                    ('bandwidth = "4 TB/s"', "", "mine.toml: memory.bandwidth: is missing"),
                    ('"900 GB/s both ways"', '"900 GB"', "mine.toml:18: link.scale_up", "both ways"),
                    ("scale_up_size = 8", "scale_up_size = 0", "mine.toml:19: link.scale_up_size: wants"),
                    ("[memory]", "[memroy]", "memroy: is not known; did you mean memory?"),
                    ('scale_out = "400 Gbps"', "", "link.scale_out", "card=400Gbps")):
                with self.subTest(new):
                    self.assertIn(old, good)
                    path.write_text(good.replace(old, new))
                    self.refused(["model=step3", f"device={path}"], str(path), *sentences)


class Page(unittest.TestCase):
    WIDTH, HEIGHT = 6.0, 11  # of a letter at 12 pixels, in the mean

    def page(self, *words):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "plan.html")
            self.assertIn(run(*words, "--html", path).returncode, (0, 1))
            return path.read_text(encoding="utf-8")

    def test_pages_are_well_formed_and_alone(self):
        hostile = '<b>&"x"</b>'
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "mine.toml")
            path.write_text((CONFIGS / "h20.toml").read_text().replace('"H20"', f"'{hostile}'"))
            for words in (ASKED, ["model=qwen3-32b", "device=h800"], ["model=step3", "device=h200", "context=10M"],
                          ["model=smollm2-135m", "device=l4"], ["model=step3", f"attention={path}", "ffn=h800"]):
                page = self.page(*words)
                root = xml.fromstring(page.replace("<!DOCTYPE html>", ""))
                self.assertNotRegex(page.replace('xmlns="http://www.w3.org/1999/xhtml"', ""),
                                    r"https?://|<script|url\(|@import|src=")
                self.assertNotRegex(page, r"\b(nan|inf)\b")
                self.assertIn("prefers-color-scheme: dark", page)
                for figure in root.iter("{http://www.w3.org/1999/xhtml}figcaption"):
                    self.assertRegex(figure.text, r"\(2507\.19427\)|aiconfigurator")  # its source
                    self.assertRegex(figure.text, r"20\d\d-\d\d")  # and its date

    def test_the_page_has_the_margins_of_the_text(self):
        margins = re.findall(r"(?:ok|note|FAIL) +\w+ +([+-]?\d+ %)", run(*ASKED).stdout)
        self.assertEqual(len(margins), 16)
        self.assertEqual(re.findall(r'<td class="n">([^<]*)</td>', self.page(*ASKED)), margins)

    def test_there_are_three_figures_with_axes_and_tips(self):
        root = xml.fromstring(self.page(*ASKED).replace("<!DOCTYPE html>", ""))
        figures = list(root.iter("{http://www.w3.org/1999/xhtml}svg"))
        self.assertEqual(len(figures), 3)
        words = ["".join(figure.itertext()) for figure in figures]
        self.assertTrue("bytes of KV cache" in words[0] and "FLOP of attention" in words[0])
        self.assertTrue("tokens/s/GPU" in words[1] and "attention ranks for each FFN rank" in words[1])
        self.assertIn("dollars per 1M decoded tokens", words[2])
        for figure in figures:
            self.assertGreater(len(list(figure.iter("{http://www.w3.org/1999/xhtml}title"))), 8)

    def test_no_label_lies_on_another(self):
        for words in (ASKED, [*ASKED[:3], "context=8Ki"], ["model=deepseek-v3", "device=h800", "context=128Ki"],
                      ["model=qwen3-235b", "device=gb200", "context=4Ki"], ["model=kimi-k2", "device=b200"]):
            root = xml.fromstring(self.page(*words).replace("<!DOCTYPE html>", ""))
            for figure in root.iter("{http://www.w3.org/1999/xhtml}svg"):
                _, _, width, height = map(float, figure.get("viewBox").split())
                boxes = []
                for text in figure.iter("{http://www.w3.org/1999/xhtml}text"):
                    if text.get("transform"):
                        continue
                    x, y, long = float(text.get("x")), float(text.get("y")), self.WIDTH * len(text.text)
                    left = {"start": x, "middle": x - long / 2, "end": x - long}[text.get("text-anchor")]
                    boxes.append((left, y - self.HEIGHT, left + long, y, text.text))
                for k, a in enumerate(boxes):
                    self.assertTrue(0 <= a[0] and a[2] <= width and 0 <= a[1] and a[3] <= height, f"{words}: {a}")
                    for b in boxes[:k]:
                        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
                        self.assertTrue(apart, f"{words}: {a} on {b}")


class Help(unittest.TestCase):
    def test_help_has_examples_and_exit_codes(self):
        for words in (["--help"], []):
            done = run(*words)
            self.assertEqual(done.returncode, 0)
            self.assertIn("ashlar-plan model=step3 attention=h20 ffn=h800 context=32Ki slo=50ms", done.stdout)
            self.assertIn("Exit status: 0", done.stdout)
        self.assertRegex(run("--version").stdout, r"^ashlar-plan \d+\.\d+\.\d+$")
        for command in ("table", "sweep", "design", "list"):
            self.assertEqual(run(command, "--help").returncode, 0)

    def test_every_name_of_the_list_can_be_asked_for(self):
        names = asked("list")
        self.assertGreater(len(names["models"]), 10)
        for model in names["models"]:
            self.assertIn(run(f"model={model['name']}", "device=h800").returncode, (0, 1))
        for device in names["devices"]:
            done = run("model=step3", f"device={device['name']}", "card=400Gbps")
            self.assertTrue(done.returncode in (0, 1) or "has no peak" in done.stderr, done.stderr)
            self.assertTrue(device["source"])


if __name__ == "__main__":
    unittest.main()
