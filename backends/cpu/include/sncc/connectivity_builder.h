// Builds the synapses of a connection from counter-based random numbers, in parallel, the same for any number of threads.
// What is drawn, to the integer, stands in sncc/connectivity/build.py, the reference in NumPy.
// Included by one file alone: it defines the functions of connectivity.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "connection_pairs.h"
#include "connectivity.h"
#include "drawn_indices.h"
#include "sncc/list.h"

namespace sncc {

class ConnectivityBuilder {
public:
    ConnectivityBuilder(const ConnectivityRequest& request, int workers, ThreadPool& pool)
        : request_(request), pattern_(request.pattern), source_(request.source), target_(request.target), pool_(pool) {
        result_.parts.resize(static_cast<std::size_t>(workers));
        const List<Range> ranges = ranges_of(target_.population(), workers);
        for (int w = 0; w < workers; ++w) {
            CompressedRows& part = result_.parts[static_cast<std::size_t>(w)];
            part.range = ranges[static_cast<std::size_t>(w)];
            part.offsets = Untouched<std::uint64_t>(static_cast<std::size_t>(source_.population() + 1));
            std::memset(part.offsets.data(), 0, sizeof(std::uint64_t) * part.offsets.size());
        }
    }

    // Throws std::invalid_argument for a pattern that cannot be had, or for pairs out of range.
    Synapses build() {
        switch (pattern_.kind) {
            case PatternKind::fan_in: by_target(); break;
            case PatternKind::total: pattern_.repeats ? by_draw() : from_pairs(pairs_of().different()); break;
            case PatternKind::sparse: from_pairs(pairs_of().handed_over()); break;
            default: by_source();
        }
        result_.number();
        return std::move(result_);
    }

    // Throws std::invalid_argument for a random pattern that cannot be had.
    void check() const {
        if (pattern_.kind == PatternKind::fan_in) check_number(target_, source_);
        if (pattern_.kind == PatternKind::fan_out) check_number(source_, target_);
        if (pattern_.kind == PatternKind::total) pairs_of().check_total();
    }

    // How many synapses there will be, at most where that is random (six standard deviations).
    static double expected(const ConnectivityRequest& request) {
        const PartIndices source(request.source), target(request.target);
        const double sources = static_cast<double>(source.size()), targets = static_cast<double>(target.size());
        const double pairs = sources * targets, number = request.pattern.number;
        const int* kernel = request.pattern.kernel;
        switch (request.pattern.kind) {
            case PatternKind::dense: return pairs;
            case PatternKind::one_to_one: return sources;
            case PatternKind::probability: return pairs * number + 6 * std::sqrt(pairs * number * (1 - number));
            case PatternKind::fan_in: return targets * number;
            case PatternKind::fan_out: return sources * number;
            case PatternKind::total: return number;
            case PatternKind::convolution: return targets * kernel[0] * kernel[1] * static_cast<double>(source.length(2));
            case PatternKind::pooling: return targets * kernel[0] * kernel[1];
            case PatternKind::sparse: return static_cast<double>(request.pairs);
        }
        return pairs;
    }

private:
    static constexpr int sources_at_once = 64;

    bool avoids() const { return !pattern_.self_connections; }

    // Position of a neuron of `rows` among `columns` where it must not reach itself, else -1.
    std::int64_t own(const PartIndices& rows, const PartIndices& columns, std::int64_t row) const {
        return avoids() ? columns.find(rows[row]) : -1;
    }
    std::int64_t candidates(const PartIndices& columns, std::int64_t itself) const { return columns.size() - (itself >= 0); }

    void check_number(const PartIndices& rows, const PartIndices& columns) const {
        for (std::int64_t row = 0; row < rows.size(); ++row) {
            const std::int64_t n = candidates(columns, own(rows, columns, row));
            if (pattern_.number > static_cast<double>(n) && !(pattern_.repeats && n > 0))
                throw std::invalid_argument(std::to_string(static_cast<std::int64_t>(pattern_.number)) + " of " + std::to_string(n) + " neurons, each once");
            if (!avoids()) return;
        }
    }

    // ---------------------------------------------------------------------------------------- row after row
    struct Scratch {
        WordSequence words;
        Chooser chooser;
    };

    // Calls visit(target in its part, element of the kernel or of what is shared) for the targets of a source, ascending.
    template <typename Visit>
    void row(std::int64_t i, Scratch& scratch, const SkipTable& skips, Visit&& visit) const {
        const std::int64_t itself = own(source_, target_, i);
        const std::int64_t n = candidates(target_, itself);
        const auto candidate = [&](std::int64_t c) { visit(c + (itself >= 0 && c >= itself), std::uint32_t(0)); };
        scratch.words.start(static_cast<std::uint32_t>(i));
        switch (pattern_.kind) {
            case PatternKind::dense:
                for (std::int64_t c = 0; c < n; ++c) {
                    const std::int64_t j = c + (itself >= 0 && c >= itself);
                    visit(j, static_cast<std::uint32_t>(pattern_.turned ? j * source_.size() + i : i * target_.size() + j));
                }
                break;
            case PatternKind::one_to_one: visit(i, static_cast<std::uint32_t>(i)); break;
            case PatternKind::probability:
                if (pattern_.number <= 0) break;
                for (std::int64_t c = 0; c < n;) {
                    const std::uint32_t word = scratch.words.next();
                    if (word < skips.last()) {
                        c += skips.length();
                        continue;
                    }
                    c += skips.count(word);
                    if (c < n) candidate(c);
                    ++c;
                }
                break;
            case PatternKind::fan_out:
                scratch.chooser.choose(scratch.words, static_cast<std::int64_t>(pattern_.number), n, pattern_.repeats, candidate);
                break;
            default: windows(i, visit);
        }
    }

    // Windows of images: source (y, x, c) reaches (Y, X, ·) where Y · stride <= y + before < Y · stride + kernel, the same along x.
    template <typename Visit>
    void windows(std::int64_t i, Visit&& visit) const {
        const bool pools = pattern_.kind == PatternKind::pooling;
        const std::int64_t inputs = source_.length(2), outputs = target_.length(2), width = source_.length(1);
        const std::int64_t c = i % inputs, x = i / inputs % width + pattern_.before[1], y = i / inputs / width + pattern_.before[0];
        const auto first = [&](std::int64_t at, int axis) {
            const std::int64_t low = at - pattern_.kernel[axis] + 1;
            return low <= 0 ? std::int64_t(0) : (low + pattern_.stride[axis] - 1) / pattern_.stride[axis];
        };
        for (std::int64_t Y = first(y, 0); Y < target_.length(0) && Y * pattern_.stride[0] <= y; ++Y)
            for (std::int64_t X = first(x, 1); X < target_.length(1) && X * pattern_.stride[1] <= x; ++X) {
                const std::int64_t place = (Y * target_.length(1) + X) * outputs;
                if (pools) {
                    visit(place + c, std::uint32_t(0));
                    continue;
                }
                const std::int64_t ky = y - Y * pattern_.stride[0], kx = x - X * pattern_.stride[1];
                const std::int64_t kernel = ((ky * pattern_.kernel[1] + kx) * inputs + c) * outputs;
                for (std::int64_t o = 0; o < outputs; ++o) visit(place + o, static_cast<std::uint32_t>(kernel + o));
            }
    }

    void by_source() {
        if (pattern_.kind == PatternKind::fan_out) check_number(source_, target_);
        if (pattern_.kind == PatternKind::one_to_one && source_.size() != target_.size())
            throw std::invalid_argument("one_to_one from " + std::to_string(source_.size()) + " to " + std::to_string(target_.size()) + " neurons");
        const SkipTable skips(pattern_.kind == PatternKind::probability ? pattern_.number : 0.5);
        const int tasks = static_cast<int>((source_.size() + sources_at_once - 1) / sources_at_once);
        for_sources(tasks, skips, [&](std::int64_t i, std::size_t part, std::uint32_t, std::uint32_t) {
            ++result_.parts[part].offsets[static_cast<std::size_t>(source_[i]) + 1];
        });
        for (CompressedRows& part : result_.parts) part.allocate();
        const bool shares = pattern_.has_elements();
        if (shares)
            for (const CompressedRows& part : result_.parts) result_.kernel.emplace_back(part.synapses() + 1);
        List<List<std::uint64_t>> next = row_starts();
        for_sources(tasks, skips, [&](std::int64_t i, std::size_t part, std::uint32_t target, std::uint32_t kernel) {
            const std::uint64_t k = next[part][static_cast<std::size_t>(source_[i])]++;
            result_.parts[part].set(k, target);
            if (shares) result_.kernel[part][k] = kernel;
        });
    }

    template <typename Place>
    void for_sources(int tasks, const SkipTable& skips, Place&& place) {
        pool_.run(tasks, [&](int task, int) {
            Scratch scratch{WordSequence(request_.seed, request_.stream), Chooser()};
            const std::int64_t first = std::int64_t(task) * sources_at_once;
            for (std::int64_t i = first; i < std::min(source_.size(), first + sources_at_once); ++i) {
                std::size_t part = 0;
                row(i, scratch, skips, [&](std::int64_t target, std::uint32_t kernel) {
                    const std::int64_t flat = target_[target];
                    while (flat >= result_.parts[part].range.end) ++part;
                    place(i, part, static_cast<std::uint32_t>(flat - result_.parts[part].range.begin), kernel);
                });
            }
        });
    }

    List<List<std::uint64_t>> row_starts() const {
        List<List<std::uint64_t>> next;
        for (const CompressedRows& part : result_.parts) next.emplace_back(part.offsets.data(), part.offsets.data() + part.offsets.size());
        return next;
    }

    // ---------------------------------------------------------------------------------------- column after column
    void by_target() {
        check_number(target_, source_);
        pool_.run(static_cast<int>(result_.parts.size()), [&](int part, int) {
            CompressedRows& rows = result_.parts[static_cast<std::size_t>(part)];
            columns(rows, [&](std::int64_t source, std::uint32_t) { ++rows.offsets[static_cast<std::size_t>(source_[source]) + 1]; });
            rows.allocate();
            List<std::uint64_t> next(rows.offsets.data(), rows.offsets.data() + rows.offsets.size());
            columns(rows, [&](std::int64_t source, std::uint32_t target) { rows.set(next[static_cast<std::size_t>(source_[source])]++, target); });
        });
    }

    template <typename Visit>
    void columns(const CompressedRows& rows, Visit&& visit) const {
        WordSequence words(request_.seed, request_.stream);
        Chooser chooser;
        for (std::int64_t j = target_.lower_bound(rows.range.begin); j < target_.lower_bound(rows.range.end); ++j) {
            const std::int64_t itself = own(target_, source_, j);
            words.start(static_cast<std::uint32_t>(j));
            chooser.choose(words, static_cast<std::int64_t>(pattern_.number), candidates(source_, itself), pattern_.repeats, [&](std::int64_t c) {
                visit(c + (itself >= 0 && c >= itself), static_cast<std::uint32_t>(target_[j] - rows.range.begin));
            });
        }
    }

    // ---------------------------------------------------------------------------------------- pair after pair
    ConnectionPairs pairs_of() const { return {request_, source_, target_}; }

    // Threads share the draws out: each counts what its own add to every row, and then puts them behind those of the threads before it.
    // Rows are sorted in the end, so that who drew what does not show.
    void by_draw() {
        const ConnectionPairs pairs = pairs_of();
        pairs.check_total();
        const std::int64_t sources = source_.population(), parts = static_cast<std::int64_t>(result_.parts.size()), total = pairs.total();
        const int shares = static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(pool_.threads(), total / std::max<std::int64_t>(1, parts * sources))));
        List<List<std::uint64_t>> rows_of(static_cast<std::size_t>(shares));  // by share, part and source: first a count, then a place
        const auto row = [&](std::size_t part, std::int64_t source) { return part * static_cast<std::size_t>(sources) + static_cast<std::size_t>(source); };
        const List<std::uint16_t> owners = part_of_targets();
        const auto for_draws = [&](int share, const auto& visit) {
            pairs.draws(total * share / shares, total * (share + 1) / shares, [&](std::int64_t source, std::int64_t target) { visit(owners[static_cast<std::size_t>(target / 64)], source, target); });
        };
        pool_.run(shares, [&](int share, int) {
            List<std::uint64_t>& counts = rows_of[static_cast<std::size_t>(share)];
            counts.assign(static_cast<std::size_t>(parts * sources), 0);
            for_draws(share, [&](std::size_t part, std::int64_t source, std::int64_t) { ++counts[row(part, source)]; });
        });
        pool_.run(static_cast<int>(parts), [&](int p, int) {
            CompressedRows& rows = result_.parts[static_cast<std::size_t>(p)];
            std::uint64_t place = 0;
            for (std::int64_t i = 0; i < sources; ++i) {
                for (List<std::uint64_t>& of : rows_of) place += std::exchange(of[row(static_cast<std::size_t>(p), i)], place);
                rows.offsets[static_cast<std::size_t>(i) + 1] = place;
            }
            rows.make_room();
        });
        pool_.run(shares, [&](int share, int) {
            List<std::uint64_t>& places = rows_of[static_cast<std::size_t>(share)];
            for_draws(share, [&](std::size_t part, std::int64_t source, std::int64_t target) {
                CompressedRows& rows = result_.parts[part];
                rows.set(places[row(part, source)]++, static_cast<std::uint32_t>(target - rows.range.begin));
            });
        });
        sort_rows();
    }

    // By word of 64 neurons of the targets' population the part that owns it.
    List<std::uint16_t> part_of_targets() const {
        List<std::uint16_t> owners(static_cast<std::size_t>((target_.population() + 63) / 64));
        for (std::size_t part = 0; part < result_.parts.size(); ++part)
            for (std::int64_t j = result_.parts[part].range.begin; j < result_.parts[part].range.end; j += 64) owners[static_cast<std::size_t>(j / 64)] = static_cast<std::uint16_t>(part);
        return owners;
    }

    void sort_rows() {
        const std::int64_t sources = source_.population();
        const int blocks = static_cast<int>((sources + sources_at_once - 1) / sources_at_once);
        pool_.run(blocks * static_cast<int>(result_.parts.size()), [&](int task, int) {
            CompressedRows& rows = result_.parts[static_cast<std::size_t>(task / blocks)];
            const std::int64_t first = static_cast<std::int64_t>(task % blocks) * sources_at_once;
            List<std::uint16_t> scratch;
            for (std::int64_t i = first; i < std::min(sources, first + sources_at_once); ++i) {
                const std::uint64_t begin = rows.offsets[static_cast<std::size_t>(i)], end = rows.offsets[static_cast<std::size_t>(i) + 1];
                if (rows.is_narrow())
                    sort_row(rows.narrow.data() + begin, end - begin, scratch);
                else
                    std::sort(rows.wide.data() + begin, rows.wide.data() + end);
            }
        });
    }

    // By the low byte, then by the high one: five times as fast as comparing, for a row of hundreds.
    static void sort_row(std::uint16_t* row, std::uint64_t count, List<std::uint16_t>& scratch) {
        if (count < 100) {
            std::sort(row, row + count);
            return;
        }
        scratch.resize(count);
        std::uint16_t *from = row, *to = scratch.data();
        for (int shift = 0; shift < 16; shift += 8, std::swap(from, to)) {
            std::uint32_t places[257] = {};
            for (std::uint64_t k = 0; k < count; ++k) ++places[((from[k] >> shift) & 0xFF) + 1];
            for (int digit = 0; digit < 256; ++digit) places[digit + 1] += places[digit];
            for (std::uint64_t k = 0; k < count; ++k) to[places[(from[k] >> shift) & 0xFF]++] = from[k];
        }
    }

    void from_pairs(const List<std::uint64_t>& pairs) {
        pool_.run(static_cast<int>(result_.parts.size()), [&](int index, int) {
            CompressedRows& part = result_.parts[static_cast<std::size_t>(index)];
            const auto owned = [&](std::uint64_t pair) {
                const std::int64_t target = static_cast<std::int64_t>(pair & 0xFFFFFFFFu);
                return target >= part.range.begin && target < part.range.end;
            };
            for (const std::uint64_t pair : pairs)
                if (owned(pair)) ++part.offsets[(pair >> 32) + 1];
            part.allocate();
            std::uint64_t k = 0;
            for (const std::uint64_t pair : pairs)
                if (owned(pair)) part.set(k++, static_cast<std::uint32_t>(static_cast<std::int64_t>(pair & 0xFFFFFFFFu) - part.range.begin));
        });
    }

    ConnectivityRequest request_;
    Pattern pattern_;
    PartIndices source_, target_;
    ThreadPool& pool_;
    Synapses result_;
};

Synapses build_synapses(const ConnectivityRequest& request, int workers, ThreadPool& pool) {
    return ConnectivityBuilder(request, workers, pool).build();
}
void check_random(const ConnectivityRequest& request, ThreadPool& pool) { ConnectivityBuilder(request, 0, pool).check(); }
double expected_synapses(const ConnectivityRequest& request) { return ConnectivityBuilder::expected(request); }

}  // namespace sncc
