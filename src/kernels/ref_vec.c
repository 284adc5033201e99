/* SPDX-License-Identifier: MIT */
/* Norm, activation functions, softmax. Sums are kept in double: here they are the specification,
 * not fast. */
#include "kernels/ref.h"

#include <math.h>

void ref_rms_norm(float *dst, const float *x, const float *weight, int n, float eps)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    float scale = (float)(1.0 / sqrt(sum / (double)n + (double)eps));
    for (int i = 0; i < n; i++) {
        dst[i] = x[i] * scale * weight[i];
    }
}

void ref_silu_mul(float *dst, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++) {
        dst[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
    }
}

/* z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))): Hendrycks and Gimpel, "Gaussian error linear
 * units", 2016. */
void ref_gelu_mul(float *dst, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++) {
        float z = gate[i];
        float inner = 0.79788456080286536f * z * (1.0f + 0.044715f * z * z);
        dst[i] = 0.5f * z * (1.0f + tanhf(inner)) * up[i];
    }
}

/* A row without any finite element (everything masked) becomes zeros with sum 0. */
float ref_softmax(float *x, int n)
{
    float largest = -INFINITY;
    for (int i = 0; i < n; i++) {
        largest = x[i] > largest ? x[i] : largest;
    }
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        x[i] = x[i] == -INFINITY ? 0.0f : expf(x[i] - largest);
        sum += (double)x[i];
    }
    return (float)sum;
}

void ref_soft_cap(float *x, float cap, int n)
{
    for (int i = 0; i < n; i++) {
        x[i] = cap * tanhf(x[i] / cap);
    }
}

void ref_add_scaled(float *dst, const float *x, float scale, int n)
{
    for (int i = 0; i < n; i++) {
        dst[i] += x[i] * scale;
    }
}
