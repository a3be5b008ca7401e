/* WMMSE in plain C: what `slotwise bench` measures the compiled solvers against.

   One sample after another, in double precision, as a careful programmer writes it: powers and
   ratios instead of amplitudes and filters, and every inner loop runs along a row of the gains,
   where they lie one after another in memory. For the iteration and its source see
   controllers/wmmse.py; names are the same.

   Compiled with -O3 -march=native. Not with -ffast-math: that would reorder the sums, and a shared
   library that is linked with it turns denormal numbers off in the whole process that loads it. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static int iterate(const double *restrict gain, int64_t users, double noise, double p_max,
                   double tolerance, int max_iterations, double *restrict power,
                   double *restrict amplitude, double *restrict pull, double *restrict price)
{
    double before = -INFINITY;
    for (int64_t k = 0; k < users; k++) {
        power[k] = p_max;
        amplitude[k] = sqrt(p_max);
    }
    for (int count = 0;; count++) {
        double objective = 0.0;
        for (int64_t j = 0; j < users; j++)
            price[j] = 1e-300; /* so that 0/0 of a silent user is 0 */
        for (int64_t k = 0; k < users; k++) {
            const double *row = gain + k * users;
            double interference = noise;
            for (int64_t j = 0; j < k; j++)
                interference += row[j] * power[j];
            for (int64_t j = k + 1; j < users; j++)
                interference += row[j] * power[j];
            double received = interference + row[k] * power[k];
            objective += log2(received / interference);
            pull[k] = row[k] * amplitude[k] / interference;
            double scaled = pull[k] * amplitude[k] / received;
            for (int64_t j = 0; j < users; j++)
                price[j] += row[j] * scaled;
        }
        if (objective - before < tolerance || count >= max_iterations)
            return count;
        before = objective;
        for (int64_t k = 0; k < users; k++) {
            double v = fmin(pull[k] / price[k], sqrt(p_max));
            amplitude[k] = v < 1e-30 ? 0.0 : v;
            power[k] = amplitude[k] * amplitude[k];
        }
    }
}

/* Powers [samples, users] and iterations [samples] for gains [samples, users, users]; 0 if done. */
int wmmse(const double *gain, int64_t samples, int64_t users, double noise, double p_max,
          double tolerance, int max_iterations, double *power, int32_t *iterations)
{
    double *room = malloc(3 * (size_t)users * sizeof *room + 1);
    if (room == NULL)
        return 1;
    for (int64_t n = 0; n < samples; n++)
        iterations[n] = iterate(gain + n * users * users, users, noise, p_max, tolerance,
                                max_iterations, power + n * users, room, room + users,
                                room + 2 * users);
    free(room);
    return 0;
}
