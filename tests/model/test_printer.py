from sncc.model.printer import print_model
from sncc.model.resolve import model_of_text

TEXT = """
network Small:
    step = 1 ms
    population x: input[2, 2]
    population h: LIF[3](tau_m = normal(20 ms, 2 ms, clip = [5 ms, 50 ms]))
    population y: LI[2]
    connect x -> h: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect h -> y: dense, weight = each(0.5) in [0, 1], delay = 1 ms
train:
    rule = eprop(feedback = symmetric)
    loss = cross_entropy(mean(y.v, from = 5 ms))
    optimiser = sgd(learning_rate = 0.1)
    learn = weights, h.tau_m(rate = 0.1)
simulate:
    duration = 1 s
    record v of h every 2 ms
"""


def test_a_model_prints_all_that_was_resolved(update_golden, request):
    path = request.path.with_name("small_model.txt")
    text = print_model(model_of_text(TEXT))
    if update_golden:
        path.write_text(text)
    assert text == path.read_text()
