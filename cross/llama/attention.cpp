// Attention on the CPU, for a cache of keys and values that many sequences share.
//
// A query there sees few of the cells, and which ones is known only from its mask. llama.cpp's own code looks at each
// cell of the cache for each head of each query, and takes neighbours of a batch together even if they are of different
// sequences. Here queries are taken together only if they see about the same cells; those cells are looked up once for
// all heads that share keys, and gathered, wherever they lie, into tiles without gaps. What comes out is the softmax of
// the scaled products, times the values, as everywhere. The sums are of 32-bit floats, and what a query gets does not
// depend on who else is in the batch. The softmax is computed tile by tile as in "Self-attention Does Not Need O(n^2)
// Memory" (arXiv 2112.05682).
//
// The build of llama.cpp takes this in place of its own function (see ../llama.cmake), which stays for what this one
// does not know: a cache that is not of 16-bit floats, sinks, soft caps, ALiBi.

#include "common.h"
#include "ggml-cpu-impl.h"
#include "ops.h"
#include "simd-gemm.h"
#include "vec.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// llama.cpp's own.
extern "C" void ggml_compute_forward_flash_attn_ext_upstream(const ggml_compute_params * params, ggml_tensor * dst);

namespace {

// Queries, and cells, of a tile. llama.cpp's memory for this operation holds as many.
constexpr int QUERIES = GGML_FA_TILE_Q;
constexpr int CELLS   = GGML_FA_TILE_KV;

// Neighbours whose masks differ in more cells than that are of different sequences. Of one sequence the next query sees
// one cell more, or another one where the window slides.
constexpr int APART = 8;

// The fewest queries that are worth it: with SVE, llama.cpp has no kernel for the products of matrices, but one for those
// of vectors, which it uses for fewer.
#if defined(__ARM_FEATURE_SVE)
constexpr int64_t FEWEST = QUERIES;
#else
constexpr int64_t FEWEST = 1;
#endif

// Minus infinity as a 16-bit float: the mask of a cell that is hidden.
constexpr uint16_t HIDDEN = 0xFC00;

// Cells that are looked at together.
constexpr int64_t BLOCK = 16;

// The largest score of a tile, in a form that compilers turn into vectors.
float largest(const float * scores) {
    float lanes[CELLS / 2];
    for (int i = 0; i < CELLS / 2; i++) {
        lanes[i] = scores[i] > scores[i + CELLS / 2] ? scores[i] : scores[i + CELLS / 2];
    }
    for (int half = CELLS / 4; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
        }
    }
    return lanes[0];
}

// Cells of a sequence lie apart where several write in turns, so that no machine sees by itself which comes next. The
// second level of the cache takes them: in the first, rows that far apart push each other out.
void prefetch(const ggml_fp16_t * row, int64_t count) {
    for (int64_t i = 0; i < count; i += CACHE_LINE_SIZE / (int64_t) sizeof(ggml_fp16_t)) {
        __builtin_prefetch(row + i, 0, 2);
    }
}

// A part of a mask.
struct Block {
    uint64_t words[BLOCK / 4];

    explicit Block(const uint16_t * mask) { memcpy(words, mask, sizeof(words)); }

    bool is_hidden() const {
        constexpr uint64_t hidden = 0x0001000100010001u * HIDDEN;
        return ((words[0] ^ hidden) | (words[1] ^ hidden) | (words[2] ^ hidden) | (words[3] ^ hidden)) == 0;
    }

    bool operator==(const Block & other) const { return memcmp(words, other.words, sizeof(words)) == 0; }
};

// The operands, and how they lie in memory.
struct Attention {
    const ggml_tensor * q;
    const ggml_tensor * k;
    const ggml_tensor * v;
    const ggml_tensor * mask;
    ggml_tensor *       dst;

    int64_t width;   // of a key and a query
    int64_t out;     // of a value
    int64_t queries; // in the batch
    int64_t cells;   // in the cache, as far as it is used
    int64_t heads;   // of the keys
    int64_t group;   // heads of the queries that share a head of the keys
    float   scale;

    explicit Attention(ggml_tensor * dst)
        : q(dst->src[0]), k(dst->src[1]), v(dst->src[2]), mask(dst->src[3]), dst(dst), width(k->ne[0]), out(v->ne[0]),
          queries(q->ne[1]), cells(k->ne[1]), heads(k->ne[2]), group(q->ne[2] / k->ne[2]) {
        memcpy(&scale, dst->op_params, sizeof(scale));
    }

    // Whether this code knows how.
    bool is_known() const {
        float bias, cap;
        memcpy(&bias, dst->op_params + 1, sizeof(bias));
        memcpy(&cap, dst->op_params + 2, sizeof(cap));
        return queries >= FEWEST && group <= QUERIES && q->ne[2] == group * heads && v->ne[2] == heads && bias == 0.0f &&
               cap == 0.0f && dst->src[4] == nullptr && q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_F16 &&
               v->type == GGML_TYPE_F16 && mask != nullptr && mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 &&
               mask->ne[3] == 1 && q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1 &&
               q->nb[0] == sizeof(float) && k->nb[0] == sizeof(uint16_t) && v->nb[0] == sizeof(uint16_t);
    }

    const uint16_t * mask_of(int64_t query) const {
        return (const uint16_t *) ((const char *) mask->data + query * mask->nb[1]);
    }

    const ggml_fp16_t * key(int64_t cell, int64_t head) const {
        return (const ggml_fp16_t *) ((const char *) k->data + cell * k->nb[1] + head * k->nb[2]);
    }

    const ggml_fp16_t * value(int64_t cell, int64_t head) const {
        return (const ggml_fp16_t *) ((const char *) v->data + cell * v->nb[1] + head * v->nb[2]);
    }

    // Whether two queries see about the same cells.
    bool is_alike(int64_t one, int64_t other) const {
        const uint16_t * a = mask_of(one);
        const uint16_t * b = mask_of(other);
        int differ = 0;
        int64_t cell = 0;
        while (cell < cells && differ <= APART) {
            if (cell + BLOCK <= cells && Block(a + cell) == Block(b + cell)) {
                cell += BLOCK;
                continue;
            }
            for (const int64_t end = std::min(cell + BLOCK, cells); cell < end; cell++) {
                differ += (a[cell] == HIDDEN) != (b[cell] == HIDDEN);
            }
        }
        return differ <= APART;
    }

    // Where each run of queries that are taken together begins, and the end.
    void split(std::vector<int64_t> & starts) const {
        const int64_t most = QUERIES / group;
        starts.clear();
        for (int64_t query = 0; query < queries; query++) {
            const bool joins = !starts.empty() && query - starts.back() < most && is_alike(query - 1, query);
            if (!joins) {
                starts.push_back(query);
            }
        }
        starts.push_back(queries);
    }

    // The first cell from `cell` on that one of the queries sees, or the end.
    int64_t next(int64_t cell, int64_t first, int64_t end) const {
        while (cell < cells) {
            // The last query most likely sees what any of them sees.
            int64_t query = end - 1;
            if (cell + BLOCK <= cells) {
                while (query >= first && Block(mask_of(query) + cell).is_hidden()) {
                    query--;
                }
                if (query < first) {
                    cell += BLOCK;
                    continue;
                }
            }
            for (const int64_t last = std::min(cell + BLOCK, cells); cell < last; cell++) {
                for (int64_t query = end - 1; query >= first; query--) {
                    if (mask_of(query)[cell] != HIDDEN) {
                        return cell;
                    }
                }
            }
        }
        return cells;
    }
};

// What a thread works with: llama.cpp's memory for this operation, in its proportions.
struct Scratch {
    float * queries; // [QUERIES][width]
    float * scores;  // [QUERIES][CELLS]
    float * sums;    // [QUERIES][out]
    float * values;  // [CELLS][out]
    float * keys;    // [width][CELLS]
    float * mask;    // [CELLS]

    float most[QUERIES];
    float total[QUERIES];

    Scratch(const Attention & a, const ggml_compute_params * params) {
        const size_t each = QUERIES * a.width + 2 * QUERIES * CELLS + QUERIES * a.out + CELLS * a.out + CELLS * a.width +
                            CACHE_LINE_SIZE_F32;
        queries = (float *) params->wdata + params->ith * each;
        scores  = queries + QUERIES * a.width;
        mask    = scores + QUERIES * CELLS;
        sums    = mask + QUERIES * CELLS;
        values  = sums + QUERIES * a.out;
        keys    = values + CELLS * a.out;
    }
};

// The cells of a tile.
struct Tile {
    int     count;
    int64_t cell[CELLS];
};

// The queries of a run, with heads `from` to `to` of those that share each head of the keys from `head` to `last`.
struct Run {
    const Attention & a;
    Scratch &            scratch;
    const int64_t     first;
    const int64_t     end;
    const int64_t     head;
    const int64_t     last;
    const int64_t     from;
    const int64_t     share;
    const int         count; // for each head of the keys
    Tile              tile;

    Run(const Attention & a, Scratch & scratch, int64_t first, int64_t end, int64_t head, int64_t last, int64_t from,
        int64_t to)
        : a(a), scratch(scratch), first(first), end(end), head(head), last(last), from(from), share(to - from),
          count((int) ((end - first) * share)) {}

    void compute() {
        Tile    next;
        int64_t cell = gather(next, 0);
        load();
        while (next.count > 0) {
            tile = next;
            cell = gather(next, cell);
            for (int64_t h = head; h < last; h++) {
                const int at = (int) (h - head) * count;
                score(h, at);
                hide(at);
                add(h, at);
            }
        }
        store();
    }

    // Fills a tile with the next cells from `cell` on, and prefetches them. Gives where to go on.
    int64_t gather(Tile & tile, int64_t cell) {
        tile.count = 0;
        for (cell = a.next(cell, first, end); cell < a.cells && tile.count < CELLS; cell = a.next(cell + 1, first, end)) {
            tile.cell[tile.count++] = cell;
            for (int64_t h = head; h < last; h++) {
                prefetch(a.key(cell, h), a.width);
                prefetch(a.value(cell, h), a.out);
            }
        }
        return cell;
    }

    int64_t query(int i) const { return first + i % count / share; }

    int64_t head_of(int i) const { return (head + i / count) * a.group + from + i % share; }

    void load() {
        for (int i = 0; i < count * (last - head); i++) {
            float *      to     = scratch.queries + i * a.width;
            const void * source = (const char *) a.q->data + query(i) * a.q->nb[1] + head_of(i) * a.q->nb[2];
            memcpy(to, source, a.width * sizeof(float));
            ggml_vec_scale_f32(a.width, to, a.scale);
            scratch.most[i]  = -INFINITY;
            scratch.total[i] = 0.0f;
        }
        memset(scratch.sums, 0, count * (last - head) * a.out * sizeof(float));
    }

    // The products of the tile's keys with the queries from the `at`th on.
    void score(int64_t h, int at) {
        float * row = scratch.values; // not filled yet
        for (int t = 0; t < tile.count; t++) {
            ggml_cpu_fp16_to_fp32(a.key(tile.cell[t], h), row, a.width);
            for (int64_t d = 0; d < a.width; d++) {
                scratch.keys[d * CELLS + t] = row[d];
            }
        }
        for (int64_t d = 0; d < a.width && tile.count < CELLS; d++) {
            std::fill(scratch.keys + d * CELLS + tile.count, scratch.keys + (d + 1) * CELLS, 0.0f);
        }
        float * scores = scratch.scores + at * CELLS;
        memset(scores, 0, count * CELLS * sizeof(float));
        simd_gemm(scores, scratch.queries + at * a.width, scratch.keys, count, a.width, CELLS);
    }

    // Adds the mask, and hides what is behind the last cell of the tile.
    void hide(int at) {
        for (int64_t query = first; query < end; query++) {
            const uint16_t * mask = a.mask_of(query);
            bool             any  = tile.count < CELLS;
            for (int t = 0; t < tile.count; t++) {
                const uint16_t m = mask[tile.cell[t]];
                any |= m != 0;
                scratch.mask[t] = m == 0 ? 0.0f : GGML_CPU_FP16_TO_FP32(m);
            }
            if (!any) {
                continue;
            }
            std::fill(scratch.mask + tile.count, scratch.mask + CELLS, -INFINITY);
            for (int64_t i = at + (query - first) * share; i < at + (query - first + 1) * share; i++) {
                float * scores = scratch.scores + i * CELLS;
                ggml_vec_add_f32(CELLS, scores, scores, scratch.mask);
            }
        }
    }

    // Adds the tile's values, by the softmax of the scores so far.
    void add(int64_t h, int at) {
        for (int i = at; i < at + count; i++) {
            float *     scores = scratch.scores + i * CELLS;
            const float most   = largest(scores);
            if (most == -INFINITY) {
                memset(scores, 0, CELLS * sizeof(float));
                continue;
            }
            if (most > scratch.most[i]) {
                const float less = expf(scratch.most[i] - most);
                ggml_vec_scale_f32(a.out, scratch.sums + i * a.out, less);
                scratch.total[i] *= less;
                scratch.most[i] = most;
            }
            scratch.total[i] += ggml_vec_soft_max_f32(CELLS, scores, scores, scratch.most[i]);
        }
        for (int t = 0; t < tile.count; t++) {
            ggml_cpu_fp16_to_fp32(a.value(tile.cell[t], h), scratch.values + t * a.out, a.out);
        }
        memset(scratch.values + tile.count * a.out, 0, (CELLS - tile.count) * a.out * sizeof(float));
        simd_gemm(scratch.sums + at * a.out, scratch.scores + at * CELLS, scratch.values, count, CELLS, a.out);
    }

    void store() {
        for (int i = 0; i < count * (last - head); i++) {
            float * sums = scratch.sums + i * a.out;
            ggml_vec_scale_f32(a.out, sums, scratch.total[i] == 0.0f ? 0.0f : 1.0f / scratch.total[i]);
            void * to = (char *) a.dst->data + head_of(i) * a.dst->nb[1] + query(i) * a.dst->nb[2];
            memcpy(to, sums, a.out * sizeof(float));
        }
    }
};

} // namespace

extern "C" void ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst) {
    const Attention a(dst);
    if (params->use_ref || !a.is_known()) {
        ggml_compute_forward_flash_attn_ext_upstream(params, dst);
        return;
    }
    // Each thread finds the same runs.
    static thread_local std::vector<int64_t> starts;
    a.split(starts);
    Scratch scratch(a, params);
    if (params->ith == 0) {
        ggml_threadpool_chunk_set(params->threadpool, params->nth);
    }
    ggml_barrier(params->threadpool);
    // The heads of a cell lie side by side, so one thread takes them all, unless that leaves others without work or it
    // reads the keys for many queries anyway. Where even single heads are too few, those that share one are divided.
    const int64_t runs   = (int64_t) starts.size() - 1;
    const bool    whole  = runs == a.queries && runs >= 2 * params->nth && a.heads * a.group <= QUERIES;
    const int64_t step   = whole ? a.heads : 1;
    const int64_t groups = runs * (a.heads / step);
    const int64_t pieces = std::min<int64_t>(a.group, (params->nth + groups - 1) / groups);
    const int64_t share  = (a.group + pieces - 1) / pieces;
    for (int64_t part = params->ith; part < groups * pieces; part = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        // The last queries of a prompt see the most cells, so they come first.
        const int64_t run  = runs - 1 - part / pieces * step / a.heads;
        const int64_t head = part / pieces * step % a.heads;
        const int64_t from = std::min(part % pieces * share, a.group);
        const int64_t to   = std::min(from + share, a.group);
        if (from < to) {
            Run(a, scratch, starts[run], starts[run + 1], head, head + step, from, to).compute();
        }
    }
}
