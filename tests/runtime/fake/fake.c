/* A stand-in for an emitted library, so that the binding is tested by itself and in no time.
 *
 * Sources `x` (events, 6) and `drive` (signal, 2); `hidden` (4 neurons, state v), `output` (3).
 * Training: multinomial logistic regression of the events' counts, plus sums of the drive, by descent with momentum.
 * Simulation: v counts the events of the first four neurons, and a neuron spikes in each step in which it has one.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 8, EVENTS = 6, SIGNALS = 2, HIDDEN = 4, OUTPUTS = 3, WEIGHTS = INPUTS * OUTPUTS };

typedef struct { const int64_t *starts, *offsets; const uint32_t *indices; const int64_t *value_starts; const double *values; } source_data;
typedef struct { int64_t samples; const int32_t *steps; const source_data *sources; const int32_t *classes; const double *targets; const int64_t *label_starts; } data_set;
typedef struct { double loss, penalty; int64_t correct, labelled; } result;
typedef struct { int32_t population, state, every, first, size; double *values; } trace;

typedef struct {
    double weight[WEIGHTS], gradient[WEIGHTS], momentum[WEIGHTS], theta[HIDDEN], tau, v[HIDDEN];
    int64_t updates, steps, spikes, room;
    int64_t *spike_steps;
    uint32_t *spike_neurons;
    const char *message;
} network;

static int fail(network *n, int code, const char *message) { n->message = message; return code; }

int fake_abi_version(void) { return ABI; }

network *fake_create(uint64_t seed, int threads) {
    network *n = calloc(1, sizeof *n);
    (void)threads;
    for (int k = 0; k < WEIGHTS; k++) n->weight[k] = 0.01 * (double)((seed + 7 * k) % 11);
    for (int k = 0; k < HIDDEN; k++) n->theta[k] = 1;
    n->tau = 0.02;
    return n;
}
void fake_destroy(network *n) { free(n->spike_steps); free(n->spike_neurons); free(n); }
int fake_creation_code(void) { return 0; }
const char *fake_error(const network *n) { return n ? n->message : "no memory"; }

static double *parameter(network *n, int index, int64_t count) {
    if (index == 0 && count == WEIGHTS) return n->weight;
    if (index == 1 && count == HIDDEN) return n->theta;
    return index == 2 && count == 1 ? &n->tau : NULL;
}
static int copy(network *n, double *to, const double *from, int64_t count) {
    if (!to || !from) return fail(n, 1, "wrong index or count");
    memcpy(to, from, (size_t)count * sizeof *to);
    return 0;
}
int fake_get_parameter(network *n, int index, double *values, int64_t count) { return copy(n, values, parameter(n, index, count), count); }
int fake_set_parameter(network *n, int index, const double *values, int64_t count) { return copy(n, parameter(n, index, count), values, count); }
int fake_get_unscaled(network *n, int index, double *values, int64_t count) { return fake_get_parameter(n, index, values, count); }
int fake_set_unscaled(network *n, int index, const double *values, int64_t count) { return fake_set_parameter(n, index, values, count); }
int fake_get_synapse_state(network *n, int index, double *values, int64_t count) { (void)index; return copy(n, values, NULL, count); }
int fake_get_gradient(network *n, int index, double *values, int64_t count) { return copy(n, values, index == 0 && count == WEIGHTS ? n->gradient : NULL, count); }
int fake_get_optimiser_state(network *n, int index, int slot, double *values, int64_t count) { return copy(n, values, index == 0 && slot == 0 ? n->momentum : NULL, count); }
int fake_set_optimiser_state(network *n, int index, int slot, const double *values, int64_t count) { return copy(n, index == 0 && slot == 0 ? n->momentum : NULL, values, count); }
int fake_get_optimiser_step(network *n, int64_t *step) { *step = n->updates; return 0; }
int fake_set_optimiser_step(network *n, int64_t step) { n->updates = step; return 0; }
int fake_set_draw_seed(network *n, uint64_t seed) { (void)n; (void)seed; return 0; }

/* Counts of the sample's events, and the sums of its signals. */
static void features(const data_set *d, int64_t s, double *x) {
    memset(x, 0, INPUTS * sizeof *x);
    const source_data *e = &d->sources[0], *g = &d->sources[1];
    for (int64_t k = e->offsets[e->starts[s]]; k < e->offsets[e->starts[s] + d->steps[s]]; k++) x[e->indices[k]] += 1;
    for (int64_t t = 0; t < d->steps[s]; t++)
        for (int i = 0; i < SIGNALS; i++) x[EVENTS + i] += g->values[(g->value_starts[s] + t) * SIGNALS + i];
}

static void run(network *n, const data_set *d, const int64_t *selection, int64_t count, double *outputs, result *r) {
    memset(r, 0, sizeof *r);
    memset(n->gradient, 0, sizeof n->gradient);
    for (int64_t k = 0; k < count; k++) {
        double x[INPUTS], y[OUTPUTS], mass = 0;
        int best = 0;
        features(d, selection[k], x);
        for (int o = 0; o < OUTPUTS; o++) {
            y[o] = 0;
            for (int i = 0; i < INPUTS; i++) y[o] += x[i] * n->weight[i * OUTPUTS + o];
            if (y[o] > y[best]) best = o;
            mass += exp(y[o]);
        }
        if (outputs) memcpy(outputs + k * OUTPUTS, y, sizeof y);
        if (!d->classes || d->classes[selection[k]] < 0) continue;
        int label = d->classes[selection[k]];
        r->loss += (log(mass) - y[label]) / (double)count;
        r->correct += best == label;
        r->labelled += 1;
        for (int o = 0; o < OUTPUTS; o++)
            for (int i = 0; i < INPUTS; i++) n->gradient[i * OUTPUTS + o] += x[i] * (exp(y[o]) / mass - (o == label)) / (double)count;
    }
}

int fake_train(network *n, const data_set *d, const int64_t *selection, int64_t count, const uint32_t *trials, double factor, result *r) {
    (void)trials;
    run(n, d, selection, count, NULL, r);
    if (!isfinite(r->loss)) return fail(n, 5, "the loss is not finite");
    for (int k = 0; k < WEIGHTS; k++) {
        n->momentum[k] = 0.9 * n->momentum[k] + n->gradient[k];
        n->weight[k] -= 0.01 * factor * n->momentum[k];
    }
    n->updates++;
    return 0;
}
int fake_gradients(network *n, const data_set *d, const int64_t *selection, int64_t count, const uint32_t *trials, result *r) { (void)trials; run(n, d, selection, count, NULL, r); return 0; }
int fake_announce(network *n, const data_set *d, const int64_t *selection, int64_t count, const uint32_t *trials) { (void)n; (void)d; (void)selection; (void)count; (void)trials; return 0; }
int fake_evaluate(network *n, const data_set *d, const int64_t *selection, int64_t count, const uint32_t *trials, double *outputs, const int64_t *starts, result *r) {
    (void)trials; (void)starts;
    run(n, d, selection, count, outputs, r);
    return 0;
}

static void record_spike(network *n, int64_t step, uint32_t neuron) {
    if (n->spikes == n->room) {
        n->room = 2 * n->room + 16;
        n->spike_steps = realloc(n->spike_steps, (size_t)n->room * sizeof *n->spike_steps);
        n->spike_neurons = realloc(n->spike_neurons, (size_t)n->room * sizeof *n->spike_neurons);
    }
    n->spike_steps[n->spikes] = step;
    n->spike_neurons[n->spikes++] = neuron;
}
int fake_reset(network *n) { n->steps = 0; memset(n->v, 0, sizeof n->v); return 0; }
int fake_simulate(network *n, const data_set *d, int64_t s, int64_t steps, uint64_t seed, uint32_t trial, int resume, const int32_t *populations, int32_t population_count, const trace *traces, int32_t trace_count) {
    (void)seed; (void)trial; (void)populations; (void)population_count;
    if (!resume) fake_reset(n);
    n->spikes = 0;
    for (int64_t t = 1; t <= steps; t++) {
        const source_data *e = &d->sources[0];
        double arrived[EVENTS] = {0};
        if (t <= d->steps[s])
            for (int64_t k = e->offsets[e->starts[s] + t - 1]; k < e->offsets[e->starts[s] + t]; k++) arrived[e->indices[k]] += 1;
        n->steps++;
        for (uint32_t j = 0; j < HIDDEN; j++) {
            n->v[j] += arrived[j];
            if (arrived[j] > 0) record_spike(n, n->steps, j);
        }
        for (int k = 0; k < trace_count; k++)
            if (t % traces[k].every == 0) memcpy(traces[k].values + (t / traces[k].every - 1) * traces[k].size, n->v + traces[k].first, (size_t)traces[k].size * sizeof(double));
    }
    return 0;
}
int fake_spike_count(network *n, int population, int64_t *count) { *count = population == 1 ? n->spikes : 0; return 0; }
int fake_copy_spikes(network *n, int population, int64_t *steps, uint32_t *neurons, int64_t count) {
    if (population != 1 || count != n->spikes) return fail(n, 1, "wrong population or count");
    if (count) {
        memcpy(steps, n->spike_steps, (size_t)count * sizeof *steps);
        memcpy(neurons, n->spike_neurons, (size_t)count * sizeof *neurons);
    }
    return 0;
}
int fake_step_count(network *n, int64_t *steps) { *steps = n->steps; return 0; }

/* No sparse connectivity, and no state that can be stored. */
int fake_connect(network *n, int connection, const int64_t *pre, const int64_t *post, int64_t count) { (void)connection; (void)pre; (void)post; (void)count; return fail(n, 1, "no connection takes pairs"); }
int fake_build(network *n) { (void)n; return 0; }
int fake_parameter_size(network *n, int index, int64_t *size) { (void)index; (void)size; return fail(n, 1, "no such parameter"); }
int fake_synapse_count(network *n, int connection, int64_t *count) { (void)connection; (void)count; return fail(n, 1, "no sparse connection"); }
int fake_synapses(network *n, int connection, int64_t *pre, int64_t *post, int64_t count) { (void)connection; (void)pre; (void)post; (void)count; return fail(n, 1, "no sparse connection"); }
int fake_state_size(network *n, int64_t *size) { (void)size; return fail(n, 1, "no state that can be stored"); }
int fake_get_state(network *n, unsigned char *bytes, int64_t size) { (void)bytes; (void)size; return fail(n, 1, "no state that can be stored"); }
int fake_set_state(network *n, const unsigned char *bytes, int64_t size) { (void)bytes; (void)size; return fail(n, 1, "no state that can be stored"); }
