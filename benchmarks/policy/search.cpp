// The shortest schedule that a long search finds: simulated annealing over list rules.
//
// A schedule is made by playing a list to the end: jobs are asked in the order of their keys, and each
// starts where it fits and where at least `gain` times the work gets done. Annealing changes keys,
// gains, holds (nobody of its kind starts before this job does), cards, and who runs on the CPU.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace {

constexpr double NEVER = 1e18, DONE = 1e-9;
constexpr int ON_CPU = -1, ANY_CARD = -1;
using Ints = std::vector<int>;

struct Instance {
    int jobs, cards, cores, models;
    const double *gpu_s, *cpu_s, *release_s;  // cpu_s below 0: not there; gpu_s below 0: on the CPU only
    const int *threads, *model, *alone, *needs, *capacity;  // needs and capacity in MiB; needs by card
    const double *excess;  // of the row's model beside the column's
    double exponent;
    const int *first_behind, *behind, *needed;
};

struct Genes {
    std::vector<double> key, gain;
    std::vector<char> holds, on_cpu;
    Ints card;
};

double slowdown(const Instance &in, int job, const Ints &there) {
    double total = 0, squares = 0;
    for (int other : there)
        if (other != job) {
            double e = std::max(in.excess[in.model[job] * in.models + in.model[other]], 0.0);
            total += e, squares += e * e;
        }
    if (total <= 0) return 1;
    double number = total * total / squares, each = squares / total;
    double grown = (std::pow(1 + number, in.exponent) - 1) / (std::pow(2, in.exponent) - 1);
    return std::pow(1 + grown * (std::pow(1 + each, in.exponent) - 1), 1 / in.exponent);
}

struct Play {
    const Instance &in;
    const Genes &genes;
    Ints waits_for, ready, running, where, used;
    std::vector<char> taken;
    std::vector<Ints> on;
    std::vector<double> left, pace;
    int free_cores, to_do;
    double at = 0;

    Play(const Instance &in, const Genes &genes)
        : in(in), genes(genes), waits_for(in.needed, in.needed + in.jobs), where(in.jobs), used(in.cards),
          taken(in.cards), on(in.cards), left(in.jobs), pace(in.jobs, 1), free_cores(in.cores), to_do(in.jobs) {
        for (int job = 0; job < in.jobs; job++)
            if (!waits_for[job]) add(job);
    }

    void add(int job) {
        auto earlier = [this](int a, int b) { return genes.key[a] < genes.key[b]; };
        ready.insert(std::upper_bound(ready.begin(), ready.end(), job, earlier), job);
    }

    double run(double limit) {
        while (to_do) {
            start();
            double pause = NEVER;
            for (int job : running) pause = std::min(pause, left[job] / pace[job]);
            for (int job : ready)
                if (in.release_s[job] > at + DONE) pause = std::min(pause, in.release_s[job] - at);
            if (pause >= NEVER) return NEVER;
            at += pause;
            if (at > limit) return NEVER;
            finish(pause);
        }
        return at;
    }

    void start() {
        bool gpu_held = false, cpu_held = false;
        size_t kept = 0;
        for (size_t k = 0; k < ready.size(); k++) {
            int job = ready[k];
            bool released = in.release_s[job] <= at + DONE;
            bool cpu = in.gpu_s[job] < 0 || genes.on_cpu[job];
            bool &held = cpu ? cpu_held : gpu_held;
            if (released && !held && in.threads[job] <= free_cores && begin(job, cpu)) continue;
            ready[kept++] = job;
            if (released && genes.holds[job]) held = true;
        }
        ready.resize(kept);
    }

    bool begin(int job, bool cpu) {
        int card = cpu ? ON_CPU : best_card(job);
        if (!cpu && card < 0) return false;
        where[job] = card, free_cores -= in.threads[job], running.push_back(job);
        left[job] = cpu ? in.cpu_s[job] : in.gpu_s[job];
        if (!cpu) {
            on[card].push_back(job), used[card] += need(job, card), taken[card] = in.alone[job];
            pace_anew(card);
        }
        return true;
    }

    int need(int job, int card) const { return in.needs[job * in.cards + card]; }

    int best_card(int job) {
        int best = -1;
        double least = NEVER;
        for (int card = 0; card < in.cards; card++) {
            double cost = 0;
            if (fits(job, card, cost) && cost < least) least = cost, best = card;
        }
        return best;
    }

    bool fits(int job, int card, double &cost) {
        if (taken[card] || (genes.card[job] != ANY_CARD && genes.card[job] != card)) return false;
        if (in.alone[job] && !on[card].empty()) return false;
        if (used[card] + need(job, card) > in.capacity[card]) return false;
        double before = 0, after = 0;
        for (int other : on[card]) before += pace[other];
        on[card].push_back(job);
        for (int other : on[card]) after += 1 / slowdown(in, other, on[card]);
        cost = slowdown(in, job, on[card]) * 1000 + on[card].size();
        on[card].pop_back();
        return on[card].empty() || after > before * genes.gain[job];
    }

    void pace_anew(int card) {
        for (int job : on[card]) pace[job] = 1 / slowdown(in, job, on[card]);
    }

    void finish(double pause) {
        Ints going, ended;
        for (int job : running) {
            left[job] -= pause * pace[job];
            (left[job] <= DONE ? ended : going).push_back(job);
        }
        running = going;
        for (int job : ended) leave(job);
    }

    void leave(int job) {
        to_do--, free_cores += in.threads[job], pace[job] = 1;
        if (int card = where[job]; card >= 0) {
            on[card].erase(std::find(on[card].begin(), on[card].end(), job));
            used[card] -= need(job, card), taken[card] = 0;
            pace_anew(card);
        }
        for (int k = in.first_behind[job]; k < in.first_behind[job + 1]; k++)
            if (!--waits_for[in.behind[k]]) add(in.behind[k]);
    }
};

std::vector<double> chains(const Instance &in) {
    std::vector<double> chain(in.jobs);
    for (int job = in.jobs - 1; job >= 0; job--) {  // the jobs come in an order in which each follows its needs
        double behind = 0;
        for (int k = in.first_behind[job]; k < in.first_behind[job + 1]; k++)
            behind = std::max(behind, chain[in.behind[k]]);
        chain[job] = behind + (in.gpu_s[job] < 0 ? in.cpu_s[job] : in.gpu_s[job]);
    }
    return chain;
}

struct Search {
    const Instance &in;
    std::mt19937 draw;
    std::uniform_real_distribution<double> uniform{0, 1};

    int any(int below) { return int(draw() % unsigned(below)); }

    Genes first(int rule) {
        Genes genes{std::vector<double>(in.jobs), std::vector<double>(in.jobs, rule % 2 ? 1.2 : 1.03),
                    std::vector<char>(in.jobs), std::vector<char>(in.jobs), Ints(in.jobs, ANY_CARD)};
        auto chain = chains(in);
        Ints order(in.jobs);
        for (int k = 0; k < in.jobs; k++) order[k] = k, genes.holds[k] = rule < 4 ? in.alone[k] : 0;
        auto weight = [&](int job) { return rule / 2 % 2 ? in.needs[job * in.cards] * 1e6 + chain[job] : chain[job]; };
        if (in.cards) std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return weight(a) > weight(b); });
        for (int k = 0; k < in.jobs; k++) genes.key[order[k]] = k;
        return genes;
    }

    void change(Genes &genes) {
        static const double gains[] = {0, 0.97, 1.03, 1.1, 1.3, 9};
        int job = any(in.jobs), move = any(10);
        if (move < 3) std::swap(genes.key[job], genes.key[any(in.jobs)]);
        else if (move < 6) genes.key[job] = uniform(draw) * in.jobs;
        else if (move == 6) genes.holds[job] ^= 1;
        else if (move == 7) genes.gain[job] = gains[any(6)];
        else if (move == 8 && in.cards > 1) genes.card[job] = any(in.cards + 1) - 1;
        else if (in.gpu_s[job] >= 0 && in.cpu_s[job] >= 0) genes.on_cpu[job] ^= 1;
    }

    double anneal(Genes now, double length, int steps) {
        double best = length, hot = 0.03 * length, cold = 0.0008 * length;
        for (int step = 0; step < steps; step++) {
            double heat = hot * std::pow(cold / hot, double(step) / steps);
            double limit = length - heat * std::log(std::max(uniform(draw), 1e-12));
            Genes next = now;
            change(next);
            double found = Play(in, next).run(limit);
            if (found > limit) continue;
            now = next, length = found, best = std::min(best, found);
        }
        return best;
    }
};

}  // namespace

extern "C" double shortest(int jobs, int cards, int cores, int models, const double *gpu_s, const double *cpu_s,
                           const double *release_s, const int *threads, const int *model, const int *alone,
                           const int *needs, const int *capacity, const double *excess, double exponent,
                           const int *first_behind, const int *behind, const int *needed, int steps, unsigned seed) {
    Instance in{jobs,  cards, cores,    models, gpu_s,    cpu_s,        release_s, threads, model,
                alone, needs, capacity, excess, exponent, first_behind, behind,    needed};
    Search search{in, std::mt19937(seed)};
    double best = NEVER;
    Genes start;
    for (int rule = 0; rule < 6; rule++) {
        Genes genes = search.first(rule);
        double length = Play(in, genes).run(NEVER);
        if (length < best) best = length, start = genes;
    }
    return search.anneal(start, best, steps);
}
