# SPDX-License-Identifier: Apache-2.0
"""Prompts of golden.logits and golden.greedy: one token to some two hundred, several scripts, code, digits, chat."""


def chat(*turns):
    text = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    for role, content in turns:
        text += f"<|im_start|>{role}\n{content}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


prompts = [
    "The",
    "Once upon a time",
    "The capital of France is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "1 2 3 4 5 6 7 8 9",
    "3.14159265358979323846",
    chat(("user", "What is the capital of France?")),
    chat(("user", "Write a haiku about a stone wall.")),
    chat(("user", "Count from one to ten."), ("assistant", "One, two, three, four, five, six, seven, eight, nine, "
                                                           "ten."),
         ("user", "Now backwards.")),
    "La Révolution française est une période de bouleversements sociaux et politiques",
    "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist",
    "El ingenioso hidalgo don Quijote de la Mancha",
    "吾輩は猫である。名前はまだ無い。",
    "人工智能是计算机科学的一个分支，",
    "Москва — столица России, крупнейший по численности населения город",
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας",
    "#include <iostream>\n\nint main() {\n    for (int i = 0; i < 10; ++i) {\n        std::cout << i",
    "SELECT name, count(*) FROM users WHERE age > 21 GROUP BY",
    '{"name": "ashlar", "version": "1.0.0", "dependencies": {',
    "<!DOCTYPE html>\n<html>\n<head>\n  <title>",
    "A:\n\n\n   indented\t\ttabs   and   spaces   ",
    "Water boils at 100 degrees Celsius, which is 212 degrees Fahrenheit. Ice melts at",
    "In mathematics, a prime number is a natural number greater than 1 that is not a product of two smaller natural "
    "numbers. "
    "A natural number greater than 1 that is not prime is called a composite number. For example,",
    "The mitochondrion is an organelle found in the cells of most eukaryotes, such as animals, plants and fungi. "
    "Mitochondria "
    "have a double membrane structure and use aerobic respiration to generate adenosine triphosphate, which is used "
    "throughout "
    "the cell as a source of chemical energy. They were discovered by",
    "List of planets:\n1. Mercury\n2. Venus\n3. Earth\n4.",
    "Q: What is 17 + 25?\nA: 42\n\nQ: What is 9 * 8?\nA:",
    "Dear Sir or Madam,\n\nI am writing to apply for the position of stonemason that was advertised in",
    "🙂🙂🙂 Emoji are small pictures 👩‍👩‍👧‍👦 used in",
    "import numpy as np\nimport matplotlib.pyplot as plt\n\nx = np.linspace(0, 2 * np.pi, 100)\ny = "
    "np.sin(x)\nplt.plot(x, y)\n",
    "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\nThe slings and arrows of "
    "outrageous "
    "fortune,\nOr to take arms against a sea of troubles\nAnd by opposing end them. To die—to sleep,\nNo more; and "
    "by a sleep to "
    "say we end\nThe heart-ache and the thousand natural shocks\nThat flesh is heir to: 'tis a "
    "consummation\nDevoutly to be "
    "wish'd. To die, to sleep;\nTo sleep, perchance to dream—ay, there's the rub:\nFor in that sleep of death what "
    "dreams may "
    "come,\nWhen we have shuffled off this mortal coil,\nMust give us pause—there's the respect\nThat makes calamity "
    "of so long "
    "life.",
    chat(("user", "Explain in two sentences how a bridge carries its load.")),
    chat(("user", "Translate to French: The house is made of stone.")),
    chat(("user", "Is 91 a prime number? Answer yes or no, then say why.")),
    "Photosynthesis is the process by which",
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. The quick brown fox",
    "Chapter 1\n\nIt was a bright cold day in April, and the clocks were striking",
    "List three primary colours:",
    "A stone is cut so exactly that it joins its neighbours without mortar. Such a stone is called",
    "for i in range(10):\n    print(i)\n\nfor j in",
    "Monday, Tuesday, Wednesday,",
    "one two three four five six seven eight nine ten one two three four five six seven eight nine ten one two three",
    "Alpha, Beta, Gamma, Delta,",
    "January, February, March, April,",
    "print('hello')\nprint('hello')\nprint('hello')\nprint('hello')\n",
    "0 0 0 0 0 0 0 0 0 0 0 0",
    "The rain in Spain stays mainly in the plain. The rain in Spain stays mainly in the plain.",
    "2 + 2 = 4\n3 + 3 = 6\n4 + 4 = 8\n5 + 5 =",
    chat(("user", "Say hello.")),
    chat(("user", "List the days of the week.")),
    "import os\nimport sys\n\ndef main():\n    print(",
    "Our Father, who art in heaven,",
    "We the People of the United States, in Order to form a more perfect Union,",
]
