"""Expressions that mean the same with `tc` for tensorc and for torch. The names they use are made by SETUP."""

from __future__ import annotations

SETUP = """
a = tc.arange(12).reshape(3, 4)
f = tc.arange(12, dtype=tc.float32).reshape(3, 4) / 4 - 1
g = tc.tensor([[2.0, -1.0, 0.5, 3.0], [1.5, 2.5, -0.5, 1.0], [0.25, -2.0, 4.0, 1.25]])
d = f.double()
v = tc.tensor([3.0, -1.0, 2.0, 0.5])
w = tc.tensor([0.5, 1.5, -2.5])
i = tc.tensor([2, 0, 1])
m = tc.tensor([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
h = tc.tensor([1.5, -2.25, 3.0], dtype=tc.float16)
b = tc.tensor([1.5, -2.25, 3.0], dtype=tc.bfloat16)
s = tc.tensor(2.5)
n = tc.tensor(3)
u = tc.tensor([1, 2, 250], dtype=tc.uint8)
e = tc.zeros(0, 4)
k = tc.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[9.0, 10.0], [11.0, 12.0]]])
x = tc.tensor([1.0, float("nan"), float("inf"), -float("inf"), 0.0, -2.5])
"""

MAKING = """
tc.tensor([1, 2, 3])
tc.tensor([1.0, 2, 3])
tc.tensor([True, False])
tc.tensor([[1, 2], [3, 4]], dtype=tc.float64)
tc.tensor(3)
tc.tensor(2.5)
tc.tensor([])
tc.tensor([[], []])
tc.tensor([[1, 2], [3]])
tc.tensor("text")
tc.tensor(a)
tc.tensor([tc.tensor(1), tc.tensor(2)])
tc.as_tensor([1, 2])
tc.zeros(2, 3)
tc.zeros((2, 3))
tc.zeros([2, 3], dtype=tc.int64)
tc.zeros(())
tc.zeros(0)
tc.zeros(-1)
tc.ones(4)
tc.ones(2, 1, dtype=tc.bool)
tc.empty(2, 3).shape
tc.full((2, 2), 7)
tc.full((2,), 1.5)
tc.full((2,), True)
tc.full((2,), 3, dtype=tc.float16)
tc.arange(5)
tc.arange(2, 7)
tc.arange(2, 10, 3)
tc.arange(10, 0, -4)
tc.arange(0.0, 1.0, 0.25)
tc.arange(5, dtype=tc.float32)
tc.arange(5.0)
tc.arange(1, 0)
tc.arange(0, 5, 0)
tc.linspace(0, 1, 5)
tc.linspace(-2, 3, 4, dtype=tc.float64)
tc.linspace(1, 1, 1)
tc.logspace(0, 2, 3)
tc.eye(3)
tc.eye(2, 4)
tc.eye(2, dtype=tc.int64)
tc.zeros_like(f)
tc.ones_like(a)
tc.full_like(f, 2.5)
tc.zeros_like(a, dtype=tc.float32)
f.new_zeros(2, 2)
f.new_full((2,), 3.0)
a.new_tensor([1, 2])
a.new_ones(3)
tc.rand(2, 3).shape
tc.randn(4).dtype
tc.randint(3, 5, (2, 2)).dtype
tc.randint(10, (3,)).shape
tc.randperm(5).sort().values
tc.rand((2, 3)).shape
"""

FACTS = """
a.shape
a.shape[0]
a.shape[:1]
a.shape.numel()
a.size()
a.size(1)
a.size(-1)
a.size(2)
a.dim()
a.ndim
a.numel()
a.nelement()
len(a)
len(s)
a.dtype == tc.int64
f.dtype is tc.float32
d.dtype == tc.double
a.stride()
f.t().stride()
f.t().is_contiguous()
f.is_contiguous()
f.is_floating_point()
a.is_floating_point()
a.element_size()
f.itemsize
f.nbytes
f.requires_grad
f.is_leaf
f.grad
f.device.type
str(f.device)
a.tolist()
s.tolist()
s.item()
n.item()
m[0, 0].item()
a.item()
float(s)
int(n)
bool(n)
bool(a)
bool(e)
int(tc.tensor(2.75))
float(a)
range(10)[n]
[1, 2, 3, 4][n]
f"{s:.2f}"
3 in a
99 in a
[r.tolist() for r in a]
tc.is_tensor(a)
tc.numel(a)
tc.is_floating_point(f)
"""

OPERATORS = """
a + a
a + 1
1 + a
a + 1.5
f + 1
f + a
f * g
f - g
f / g
a / 2
a / a
a // 5
a % 5
-a // 5
-a % 5
f // 0.5
f % 0.75
-f % 0.75
a ** 2
2 ** a
f ** 2
g ** 0.5
g ** f
2.0 ** f
-f
+f
abs(f)
~m
~a
a & 3
a | 5
a ^ 6
a << 1
a >> 1
m & m
m | ~m
m ^ m
m + m
m + 1
m * 2.5
m - m
2 - a
2.5 - f
10 / g
7 // (a + 1)
7 % (a + 1)
1.5 * f
a * s
a + s
f + n
f + d
h + 1
h + f[0, :3]
h * 2.5
b + b
b + h
u + u
u + 10
u + a[0, :3]
u * 1.5
h * s
f @ g.T
f @ v
w @ f
v @ v
f @ f
s @ f
a @ a.T
f @ a.T
k @ k
k @ k[0]
f == g
a == 4
a != 4
f < g
f <= 0
a > f
f >= g
f == f
a == a.float()
a == "text"
f + v
f + w
f + w[:, None]
f + tc.zeros(2)
f * tc.ones(3, 1)
e + v
e * 2
f + "text"
f + None
divmod(a, 5)[0]
round(f * 3)
x + 1
x * 0
x == x
"""

ELEMENTWISE = """
f.exp()
g.abs().log()
g.log()
g.sqrt()
g.rsqrt()
f.sin()
f.cos()
f.tan()
f.tanh()
f.sinh()
f.cosh()
f.atan()
(f / 4).asin()
(f / 4).acos()
f.sigmoid()
f.relu()
f.erf()
f.erfc()
f.erfinv()
d.erfinv()
f.expm1()
g.abs().log1p()
g.abs().log2()
g.abs().log10()
f.exp2()
g.floor()
g.ceil()
g.round()
g.trunc()
g.frac()
g.sign()
g.neg()
g.reciprocal()
g.square()
a.sqrt()
a.exp()
a.neg()
a.abs()
tc.exp(f)
tc.abs(g)
tc.maximum(f, g)
tc.minimum(f, g)
tc.pow(f, 2)
tc.pow(2, a)
f.pow(3)
f.clamp(-0.5, 0.5)
f.clamp(min=0)
f.clamp(max=1)
a.clamp(2, 5)
tc.clamp(f, min=-0.25)
f.clip(0, 1)
tc.where(f > 0, f, g)
tc.where(f > 0, f, 0.0)
tc.where(m, 1, 0)
f.masked_fill(m, 0.0)
f.masked_fill(f < 0, -1)
tc.atan2(f, g)
tc.lerp(f, g, 0.25)
f.lerp(g, 0.5)
tc.addcmul(f, g, g, value=0.5)
tc.addcdiv(f, g, g, value=2)
f.isnan()
x.isnan()
x.isinf()
x.isfinite()
x.nan_to_num()
x.clamp(0, 1)
x.sign()
x.relu()
tc.isclose(f, f + 1e-9)
tc.allclose(f, f)
tc.allclose(f, g)
tc.equal(f, f)
f.equal(g)
tc.logical_and(m, ~m)
tc.logical_or(a, m)
tc.logical_not(a)
tc.logical_xor(m, m)
tc.bitwise_and(a, 3)
tc.remainder(a, 5)
tc.fmod(-a, 5)
tc.fmod(f, 0.75)
tc.floor_divide(a, 2)
tc.div(a, 5, rounding_mode="floor")
tc.div(-f, 0.5, rounding_mode="trunc")
tc.true_divide(a, 4)
tc.add(f, g, alpha=2)
tc.sub(f, g, alpha=0.5)
f.add(1)
f.sub(g)
f.mul(2)
f.div(4)
tc.rsub(f, 1)
tc.hypot(f, g)
tc.copysign(g, f)
tc.logaddexp(f, g)
tc.xlogy(f, g.abs())
tc.softmax(f, 1)
f.softmax(dim=0)
f.softmax(-1)
f.log_softmax(1)
f.logit(eps=1e-3)
tc.heaviside(f, tc.tensor([0.5]))
tc.deg2rad(f)
f.fmod(0.5)
a.bitwise_not()
f.expm1().log1p()
h.exp()
b.exp()
h.sum()
f.float_power(2)
f.sinc if False else f
"""

REDUCTIONS = """
f.sum()
f.sum(0)
f.sum(dim=1)
f.sum(dim=1, keepdim=True)
f.sum((0, 1))
f.sum(-1)
f.sum(2)
a.sum()
a.sum(0)
m.sum()
m.sum(1)
f.sum(dtype=tc.float64)
f.sum(axis=0)
f.sum(axis=1, keepdims=True)
e.sum()
e.sum(0)
f.mean()
f.mean(0)
f.mean(dim=1, keepdim=True)
a.mean()
a.float().mean()
e.mean()
f.prod()
f.prod(1)
a.prod(0)
f.max()
f.max(1)
f.max(dim=0, keepdim=True)
f.max(1).values
f.max(1).indices
f.max(g)
f.min()
f.min(0)
a.max()
a.min(dim=1)
e.max()
e.max(0)
x.max()
f.amax(1)
f.amin(0)
f.amax()
f.argmax()
f.argmax(1)
f.argmin(dim=0, keepdim=True)
a.argmax(0)
e.argmax()
f.std()
f.std(0)
f.std(dim=1, keepdim=True)
f.std(unbiased=False)
f.std(1, correction=0)
f.var()
f.var(1, unbiased=False)
f.var(0)
tc.std_mean(f, 1)
f.norm()
f.norm(1)
f.norm(dim=1)
f.norm(p=float("inf"))
f.any()
m.any()
m.all()
m.any(1)
m.all(dim=0)
a.all()
f.logsumexp(1)
f.logsumexp(0, keepdim=True)
f.cumsum(0)
f.cumsum(dim=1)
a.cumsum(0)
a.cumprod(1)
f.cummax(1)
f.cummin(0)
f.median()
f.median(1)
v.median()
f.kthvalue(2, 1)
f.sort()
f.sort(0)
g.sort(descending=True)
g.argsort(1)
g.argsort(dim=0, descending=True)
g.topk(2)
g.topk(2, 0)
g.topk(3, largest=False)
g.topk(9)
f.count_nonzero()
f.count_nonzero(1)
f.nansum()
x.nansum()
tc.sum(f, 0)
tc.mean(f, 1)
tc.max(f)
tc.max(f, 1)
tc.min(f, dim=0)
tc.max(f, g)
tc.argmax(f, 1)
tc.std(f, dim=0)
tc.cumsum(f, 0)
tc.sort(g, 1)
tc.dist(f, g)
f.aminmax()
tc.diff(f)
f.diff(dim=0)
a.trace()
f[:3, :3].trace()
f.tril()
f.triu(1)
a.tril(-1)
f.bincount()
a.flatten().bincount()
tc.cov(f)
tc.corrcoef(f)
a.unique()
tc.tensor([3, 1, 3, 2, 1]).unique()
tc.unique(tc.tensor([3, 1, 3]), return_counts=True)
"""

SHAPES = """
a.reshape(4, 3)
a.reshape((2, 6))
a.reshape(-1)
a.reshape(2, -1)
a.reshape(5, 2)
a.reshape(-1, -1)
a.view(12)
a.view(2, 2, 3)
a.t().view(12)
a.t().reshape(12)
a.T
a.mT
k.mT
k.transpose(0, 2)
a.transpose(0, 1)
a.transpose(0, 5)
k.permute(2, 0, 1)
k.permute((1, 2, 0))
k.permute(0, 1)
k.permute(0, 0, 1)
k.movedim(0, 2)
k.swapaxes(0, 1)
a.flatten()
k.flatten(1)
k.flatten(0, 1)
s.flatten()
a.ravel()
a.unsqueeze(0)
a.unsqueeze(-1)
a.unsqueeze(4)
a[None].squeeze()
a[None].squeeze(0)
a.squeeze(1)
a[None, :, None].squeeze((0, 2))
v.expand(3, 4)
w[:, None].expand(-1, 2)
v.expand(4, 3)
v.expand_as(f)
tc.broadcast_to(v, (2, 4))
v.repeat(2)
v.repeat(2, 1)
v.repeat(2, 3, 1)
f.repeat(1)
v.tile(2)
v.repeat_interleave(2)
f.repeat_interleave(2, dim=1)
tc.cat([f, g])
tc.cat((f, g), dim=1)
tc.cat([f, v[None]], 0)
tc.cat([f, v], 0)
tc.cat([f, g], dim=2)
tc.cat([a, f])
tc.cat([])
tc.concat([f, g], 1)
tc.stack([f, g])
tc.stack((f, g), dim=2)
tc.stack([f, v])
tc.hstack([v, v])
f.split(2)
f.split([1, 2])
f.split(3, dim=1)
f.split([1, 1])
f.chunk(2)
f.chunk(3, 1)
tc.split(f, 2, 1)
tc.chunk(f, 2, 1)
f.unbind()
f.unbind(1)
f.tensor_split(2)
f.flip(0)
f.flip([0, 1])
f.roll(1)
f.roll(1, 0)
f.roll((1, 2), (0, 1))
f.diagonal()
f.diagonal(1)
f.diagonal(-1)
tc.diagonal(f, 0)
f.unfold(1, 2, 1)
f.unfold(1, 2, 2)
f.narrow(1, 1, 2)
f.narrow(0, 2, 2)
f.select(1, 2)
f.view_as(g)
f.unflatten(1, (2, 2))
tc.meshgrid(v, w, indexing="ij")
tc.meshgrid(v, w, indexing="xy")
tc.broadcast_tensors(v, w[:, None])
tc.broadcast_shapes((3, 1), (1, 4))
tc.outer(v, w)
tc.kron(f[:2, :2], g[:2, :2])
tc.reshape(a, (6, 2))
tc.transpose(a, 0, 1)
tc.permute(k, (2, 1, 0))
tc.unsqueeze(v, 0)
tc.squeeze(v[None])
tc.flatten(k)
tc.t(f)
tc.flip(f, (1,))
"""

INDEXING = """
a[0]
a[-1]
a[3]
a[0, 1]
a[0, 9]
a[0, 0, 0]
a[1:]
a[:, 1]
a[:, 1:3]
a[::2]
a[:, ::3]
a[::-1]
a[-2:]
a[5:]
a[...]
a[..., 0]
a[None]
a[:, None, :]
a[None, ..., None].shape
a[[0, 2]]
a[[0, 2], [1, 3]]
a[i]
a[i, i]
a[:, i]
a[i, 1:3]
a[i[:, None], i]
a[a > 5]
a[m]
f[m]
a[tc.tensor([True, False, True])]
a[:, tc.tensor([True, False, True, False])]
a[tc.tensor([True, False])]
a[tc.tensor(1)]
a[n]
a[tc.tensor([5])]
a[tc.tensor([-1])]
a[1.5]
a[tc.tensor([1.5])]
k[0, :, 1]
k[:, 0][:, 1]
k[i, :, 1]
k[0, :, [0, 1]]
k[[0, 1], :, [0, 1]]
k[:, [0, 1], [1, 0]]
k[..., [1, 0]]
k[[[0, 1], [2, 0]]].shape
a[True]
a[False].shape
s[None]
s[0]
s[...]
a[()]
a.take(tc.tensor([0, 5, 11]))
a.gather(1, tc.tensor([[0], [1], [2]]))
a.gather(0, tc.tensor([[0, 1, 2, 0]]))
a.gather(1, tc.tensor([[9]]))
a.index_select(0, i)
a.index_select(1, tc.tensor([0, 3]))
a.masked_select(m)
a.nonzero()
tc.nonzero(m, as_tuple=True)
tc.where(m)
tc.argwhere(m)
tc.zeros(3, 4).scatter(1, tc.tensor([[0], [1], [2]]), 5.0)
tc.zeros(3, 4).scatter(0, tc.tensor([[0, 1, 2, 0]]), f)
tc.zeros(3, 4).scatter_add(0, tc.tensor([[0, 0, 2, 0]]), f)
tc.zeros(3, 4).index_add(0, i, f)
tc.zeros(4).index_fill(0, tc.tensor([0, 2]), 3.0)
tc.take_along_dim(g, g.argsort(1), 1)
list(a)[1]
[x.item() for x in v]
"""

LINEAR = """
tc.mm(f, g.T)
tc.mm(f, v)
tc.mm(f, g)
f.mm(g.t())
tc.mv(f, v)
tc.mv(f, w)
f.mv(f)
tc.dot(v, v)
tc.dot(v, w)
tc.dot(f, v)
v.dot(v)
tc.matmul(f, v)
tc.matmul(k, k)
f.matmul(g.T)
tc.bmm(k, k)
tc.bmm(f, f)
tc.addmm(tc.zeros(3, 3), f, g.T)
tc.addmm(tc.ones(3, 3), f, g.T, beta=2, alpha=0.5)
tc.baddbmm(k, k, k)
tc.einsum("ij,kj->ik", f, g)
tc.einsum("ij->j", f)
tc.einsum("bij,bjk->bik", k, k)
tc.einsum("ii", f[:3, :3])
tc.tensordot(f, g, dims=2)
tc.tensordot(f, g.T, dims=1)
tc.tensordot(f, g, dims=([1], [1]))
tc.inner(f, g)
tc.inner(v, v)
tc.ger(v, w)
tc.vdot(v, v)
tc.cross(f[:, :3], g[:, :3], dim=1)
tc.cdist(f, g)
tc.trace(f[:3, :3])
tc.norm(f)
f.norm(2, 1)
tc.linspace(0, 1, 3) @ tc.eye(3)
tc.matrix_power(f[:3, :3], 3)
"""

CASTS = """
f.int()
f.long()
g.int()
a.float()
a.double()
a.half()
a.bool()
f.bool()
f.to(tc.float64)
f.to(tc.int64)
f.to("cpu")
f.to(a)
f.to(tc.float64, copy=True)
f.type(tc.float16)
f.type_as(a)
a.to(dtype=tc.uint8)
(a - 5).to(tc.uint8)
a.byte()
a.short()
g.bfloat16()
b.float()
h.float()
m.float()
m.int()
f.cpu()
f.clone()
f.contiguous()
f.t().contiguous()
f.detach()
f.data
f.double().float()
tc.result_type(a, 1.5) == tc.float32
"""

IN_PLACE = """
f.add_(1)
f.mul_(g)
f.sub_(g, alpha=2)
f.div_(2)
f.zero_()
f.fill_(3.5)
a.fill_(2.7)
a.add_(1)
a.add_(1.5)
a.mul_(m)
m.add_(1)
f.add_(d)
f.copy_(g)
f.copy_(a)
f.copy_(v)
f.copy_(w)
f.exp_()
f.relu_()
f.clamp_(0, 1)
f.neg_()
f.sqrt_()
f.pow_(2)
f.add_(tc.ones(2, 3, 4))
f.masked_fill_(m, 9.0)
f.index_fill_(1, tc.tensor([0]), 1.0)
f.index_add_(0, i, g)
f.scatter_(1, tc.tensor([[0], [1], [2]]), 7.0)
f.scatter_add_(0, tc.tensor([[0, 1, 2, 0]]), g)
f.tril_()
f.cumsum_(0)
f.lerp_(g, 0.5)
f.addcmul_(g, g)
f.floor_()
f.sigmoid_()
f.t().add_(1)
v.expand(3, 4).add_(1)
f.detach_()
f.requires_grad_()
a.requires_grad_()
tc.add(f, g, out=tc.empty(3, 4))
tc.exp(f, out=f)
"""

FURTHER = """
f["a"]
x.diff(prepend=x[:1])
f.renorm(2, 0, 1.5)
tc.renorm(g, 1, 1, 2.0)
g.renorm(3, -1, 2.5)
k.renorm(float("inf"), 1, 5.0)
d.renorm(0.5, 0, 4.0)
f.renorm(0, 0, 1.0)
f.renorm(2, 0, -1.0)
f.renorm(2, 3, 1.0)
v.renorm(2, 0, 1.0)
a.renorm(2, 0, 1.0)
str(tc.finfo())
str(tc.finfo(tc.float64))
str(tc.finfo(h.dtype))
str(tc.finfo(tc.bfloat16))
tc.finfo(tc.float32).eps
[tc.finfo(tc.float64).max, tc.finfo(tc.float64).tiny, tc.finfo(tc.float64).bits, tc.finfo(tc.float64).dtype]
tc.finfo(tc.bfloat16).resolution
str(tc.iinfo(tc.int8))
[tc.iinfo(tc.int64).min, tc.iinfo(tc.int64).max, tc.iinfo(u.dtype).bits, tc.iinfo(u.dtype).dtype]
tc.finfo(tc.int32)
tc.iinfo(tc.float32)
tc.iinfo(tc.bool)
f.diff(dim=0, append=f[:2])
tc.diff(f, 2, prepend=f[:, :1], append=f[:, 1:])
e.median()
a // 0
a % 0
a.fmod(tc.tensor([1, 0, 2, 3]))
f // 0
f & 1
x.sort(descending=True)
x.argsort(descending=True)
x.topk(3)
x.topk(2, largest=False)
f.sort(0, True)
x.nanmedian()
f.nanmedian(1)
f.nanmedian(0, True)
f.quantile(0.5)
f.quantile(tc.tensor([0.25, 0.75]))
f.quantile(0.3, dim=1)
f.quantile(0.3, 0, keepdim=True)
f.quantile(tc.tensor([0.1, 0.9]), dim=0)
f.quantile(0.4, interpolation="lower")
f.quantile(0.4, interpolation="midpoint")
f.quantile(1.5)
a.quantile(0.5)
x.quantile(0.5)
x.nanquantile(0.5)
f.mode(0)
(a % 3).mode(1)
f.msort()
tc.linalg.norm(f)
tc.linalg.norm(f, 1)
tc.linalg.norm(f, float("inf"))
tc.linalg.norm(v, 3)
tc.linalg.norm(k, 2)
tc.linalg.vector_norm(f, 3)
tc.linalg.vector_norm(f, dim=1)
tc.linalg.vector_norm(f, 1, (0, 1), True)
tc.linalg.matrix_norm(k)
tc.linalg.matrix_norm(k, -1)
tc.linalg.vecdot(f, g)
tc.linalg.multi_dot([f, f.T, g])
tc.linalg.diagonal(k)
tc.linalg.matrix_power(k, 2)
tc.vstack([v, v])
tc.dstack([f, g])
tc.column_stack([w, w])
tc.column_stack([f, w])
tc.row_stack([v, v])
tc.block_diag(f, g, v)
tc.cartesian_prod(i, w)
tc.combinations(i)
tc.combinations(i, with_replacement=True)
tc.atleast_1d(s)
tc.atleast_2d(v)
tc.atleast_3d(v)
tc.atleast_3d(f)
tc.atleast_2d(v, s)
f.hsplit(2)
v.hsplit([1, 3])
f.vsplit(3)
f.hsplit(3)
f.flip(0, 1)
f.fliplr()
v.fliplr()
f.flipud()
f.rot90()
f.rot90(2)
f.rot90(-1)
v.tile(2, 2)
f.repeat_interleave(tc.tensor([1, 2, 0]), dim=0)
f.repeat_interleave(2)
f.diag()
v.diag()
v.diag(1)
v.diag(-2)
k.diag()
k.adjoint()
v.adjoint()
f.where(m, g)
f.where(f > 0, 0)
f.index_select(0, tc.tensor([[0]]))
f.index_select(0, tc.tensor([0.5]))
f.scatter(0, tc.tensor([[3]]), 1.0)
f.scatter_reduce(1, tc.tensor([[0, 0], [1, 2], [2, 2]]), g[:, :2], "amax")
f.scatter_reduce(1, tc.tensor([[0, 0], [1, 2], [2, 2]]), g[:, :2], "prod")
f.scatter_reduce(1, tc.tensor([[0, 0], [1, 2], [2, 2]]), g[:, :2], "mean")
f.scatter_reduce(1, tc.tensor([[0, 0], [1, 2], [2, 2]]), g[:, :2], "amin", include_self=False)
a.scatter_reduce(1, tc.tensor([[0, 0], [1, 2], [2, 2]]), a[:, :2], "sum")
f.scatter_reduce(1, tc.tensor([[0]]), g, "most")
f.index_copy(0, i, g)
f.put(tc.tensor([0, 5]), tc.tensor([9.0, 8.0]))
f.put(tc.tensor([0, 0]), tc.tensor([9.0, 8.0]), accumulate=True)
f.index_put((i, i), w)
f.index_put((i, i), w, accumulate=True)
f.as_strided((2, 2), (4, 1))
f.as_strided((2, 2), (1, 2), 1)
f.as_strided((9, 9), (4, 1))
f.view(tc.int32)
d.view(tc.float32).shape
f.T.view(tc.float64)
f.sinc()
a.softmax(1)
f.clamp()
tc.div(a, 2, rounding_mode="x")
tc.div(a, 4, rounding_mode="floor")
tc.div(f, 0.3, rounding_mode="trunc")
tc.div(a - 5, 3, rounding_mode="trunc")
tc.div(tc.tensor(-7), 2, rounding_mode="trunc")
tc.div(a, 0, rounding_mode="trunc")
f.is_cuda
f.get_device()
f.is_same_size(g)
tc.get_default_dtype()
tc.histc(f, 4)
tc.histc(v, 3, 0, 2)
tc.unique_consecutive(a // 3)
tc.unique_consecutive(a[0] // 2, return_counts=True)
tc.searchsorted(tc.tensor([1.0, 2.0, 3.0]), v)
tc.searchsorted(tc.tensor([1.0, 2.0, 3.0]), v, right=True)
tc.searchsorted(f, g)
tc.searchsorted(tc.tensor([1.0, 2.0]), 1.5)
tc.bucketize(v, tc.tensor([0.0, 1.0]))
tc.isin(a, tc.tensor([1, 5]))
tc.vander(w)
tc.vander(w, 2, increasing=True)
tc.trapezoid(v)
tc.trapezoid(v, dx=2.0)
tc.trapezoid(f, tc.tensor([0.0, 1.0, 3.0, 4.0]))
tc.gcd(a, a + 2)
tc.lcm(a, tc.tensor(4))
tc.gcd(f, f)
tc.promote_types(tc.int32, tc.float16)
tc.can_cast(tc.float32, tc.int32)
tc.tril_indices(3, 3)
tc.triu_indices(3, 4, 1)
tc.scalar_tensor(2.5)
tc.tensor([1, None])
tc.tensor(2**70)
tc.tensor([-1], dtype=tc.uint8)
tc.tensor([-300], dtype=tc.uint8)
f"{n}"
f"{v}"[:6]
f"{v:.2f}"
f"{s:.1f}"
str(2 / tc.ones(3, requires_grad=True))
str(tc.ones(3, 2, requires_grad=True).T)
str(tc.ones(3, requires_grad=True) @ tc.ones(3))
str(f.max(0)).partition("(")[2]
str(f.sort(0)).partition("(")[2]
f._version
f[0]._is_view()
f._is_view()
2 / f
2 / a
1 - a
2.5 - a
True + m
2 * u
"""

ALL = {
    "making": MAKING, "facts": FACTS, "operators": OPERATORS, "elementwise": ELEMENTWISE, "reductions": REDUCTIONS, "shapes": SHAPES,
    "indexing": INDEXING, "linear": LINEAR, "casts": CASTS, "in_place": IN_PLACE,
    "further": FURTHER,
}  # fmt: skip

STATEMENTS = """
y = f.clone(); y.index_copy_(0, i, g); y
y = f.clone(); y.index_put_((i, i), w, accumulate=True); y
y = f.clone(); y.t_(); y
y = f.clone(); y.unsqueeze_(0).squeeze_(); y
y = f.clone(); y.transpose_(0, 1); y.stride()
y = f.clone(); y.resize_(2, 2); y
y = f.clone(); y.resize_(5, 4); y[:3]
y = tc.ones(2, requires_grad=True); y.resize_(3)
y = f.clone(); y.fill_diagonal_(0); y
y = f.clone(); y.set_(g); y[0] = 1; g
y = f.clone(); y += 1; y._version
y = f.clone(); y[0] = 1; y.mul_(2); y._version
y = f.clone(); z = y[0]; z.zero_(); y._version
y = f.clone(); z = y.detach(); z.zero_(); y._version
y = f.clone(); z = y.data; z.zero_(); y._version
y = f.clone(); z = y.view(tc.int32); z.zero_(); y
y = f.clone(); z = y.as_strided((2, 2), (4, 1)); z.zero_(); y
import numpy as np; tc.from_numpy(np.ones((2, 3))[::-1])
y = f.clone(); del y[0]
y = f.clone(); z = y; y @= f.T; z
y = f.clone(); y[0] = None
f[0] = 1; f
y = g.clone(); y.renorm_(2, 0, 1.0); y
d[0] = 0.1; d
d[..., 1] = 0.1; d[m] = 0.7; d[[1]] = 300.7; d
a[0] = 2.75; a[1, :2] = -1.5; a[m] = 7.9; a
f[-1, 1:] = 3; f[:, :][0, 0] = 4; f
f[3] = 1
f[0, 4] = 1
f[0, 0, 0] = 1
f[:, 1] = v[:3]; f
f[1:, ::2] = 0; f
f[0] = w; f
f[i] = g; f
f[m] = 0.0; f
f[m] = g[m]; f
f[f < 0] = 0; f
a[0, 0] = 100; a
a[1] = tc.tensor([9, 8, 7, 6]); a
a[[0, 2], [1, 3]] = 50; a
a[i, i] = tc.tensor([1, 2, 3]); a
a[:, i] = 0; a
f[5] = 1; f
f[0, :] = a[0]; f
f[...] = 2.5; f
f[None] = g; f
k[0, :, [0, 1]] = 0.0; k
f += 1; f
f -= g; f
f *= 2; f
f /= 4; f
a += 2; a
a //= 2; a
a /= 2; a
f **= 2; f
f @= g; f
y = f; y += 1; f
y = f[0]; y += 1; f
y = f.t(); y[0] = 9; f
y = f.view(12); y[5] = 77; f
y = f.reshape(2, 6); y.zero_(); f
y = f.clone(); y.zero_(); f
y = f.detach(); y[0] = 5; f
y = f.flatten(); y[0] = 5; f
y = f.contiguous(); y[0] = 5; f
y = f.expand(2, 3, 4); f[0] = 5; y
y = f[[0]]; y[0] = 5; f
y = f.to(tc.float32); y[0] = 5; f
y = f.double(); y[0] = 5; f
y = f.diagonal(); y.fill_(7); f
y, z = f.split([1, 2]); y.add_(10); f
y = list(f); y[0] += 1; f
y = f.data; y[0] = 3; f
y = f.numpy(); y[0] = 3; f
y = tc.from_numpy(f.numpy()); y[0] = 3; f
y = tc.as_tensor(f.numpy()); y[0] = 3; f
y = tc.tensor(f.numpy()); y[0] = 3; f
y = f.squeeze(); y[0] = 1; f
y = f.unsqueeze(0); y[0, 0] = 1; f
y = f.permute(1, 0); y[0] = 1; f
y = f.narrow(0, 1, 1); y.fill_(1); f
y = f.unfold(1, 2, 2); y.fill_(1); f
y = f.chunk(2, 1)[0]; y.fill_(1); f
y = f.T; y.mul_(2); f
y = f[1:].t()[0]; y.fill_(0); f
v[::2] = v[1::2]; v
f[:, [0, 1]] = f[:, [1, 0]]; f
f.t()[0] = 1; f
f[0, 0] = tc.tensor(4.0); f
f[tc.tensor(0)] = 1; f
f[:2, :2] = tc.eye(2); f
"""
"""Statements before the last `;`, and an expression whose value counts."""
