"""The faults of `benchmarks.mutations`: one core line each, and who is to notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        file: where, from the root of the repository.
        old, new: the text that is there, exactly once, and what it becomes.
        breaks: what is then wrong, in one sentence.
        tests: files or node ids that are to notice it, from the root.
    """

    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]


#: By file of the package and the tests that are to notice: text, what it becomes, what is then wrong.
TABLE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("notation.py", "networks/test_tokens.py test_notation.py"): [
        ("rows.repeat_interleave(count, 0)", "torch.cat([rows] * count)", "repeated rows are tiled"),
        ("torch.cat([rows] * count)", "rows.repeat_interleave(count, 0)", "tiled rows are repeated"),
        ("value[rows, index] for name", "value[rows, 0 * index] for name", "energies of the first"),
        ("self.chunks[:, :, step:]", "self.chunks[:, :, step + 1 :]", "the current step is cut off as past"),
    ],
    ("units.py", "test_units.py"): [
        ('offset_{index}") + self', 'scale_{index}") + self', "scale stands in place of offset"),
        ("self.known.fill_(True)", "self.known.fill_(False)", "units that were learned are not known"),
        ("self._learned = set(self._places.values())", "pass", "new data's units give way to a checkpoint's"),
        ("self._buffers[name] = was.to(now.device)", "pass", "half precision rounds statistics"),
    ],
    ("paths.py", "test_paths.py"): [
        ("torch.ones_like(t), -torch", "-torch.ones_like(t), torch", "the straight path's velocity points to noise"),
        ("    offset = 0.008", "    offset = 0.08", "another offset of the cosine schedule"),
        ("num_train_steps * (1 - t) - 1", "num_train_steps * (1 - t)", "network times are those of the step before"),
        ("(left / steps) ** 1.5", "left / steps", "the smooth grid is even in the angle"),
        (".clamp_min(self._log_floor)", "", "the cosine schedule starts without any data"),
    ],
    ("heads/tabulated.py", "samplers/test_clock.py"): [
        ("return rows[index[t]]", "return rows[0]", "every looked-up quantity is that of the first time"),
    ],
    ("ema.py", "test_ema.py"): [
        ("- min(self.decay, (1 + n)", "- min(self.decay, (2 + n)", "the average's warm-up is one update ahead"),
    ],
    ("heads/base.py", "heads/test_denoising_head.py"): [
        ("(valid.sum(1) * error.shape[2]).clamp_min(1)", "error[0].numel()", "padded actions dilute a chunk's loss"),
    ],
    ("heads/denoising.py", "heads/test_denoising_head.py"): [
        ("map_rows, repeat_rows", "map_rows, tile_rows as repeat_rows", "candidates see other samples' observations"),
        ('keep_noise = "kept_noise" in', 'keep_noise = "kept_noise" not in', "noise is kept for the wrong samplers"),
    ],
    ("heads/at_once.py", "heads/test_regression_head.py"): [
        (
            "nothing, start = torch.zeros_like(like)",
            "nothing, start = like",
            "regression reads noise, and in training the answer",
        ),
    ],
    ("heads/mixture_density.py", "heads/test_mixture_density.py"): [
        (".log_softmax(1), means, stds", ", means, stds", "weights of components do not sum to one"),
        ("(each * counted[:, :, None]).sum", "each.sum", "what does not count is part of a density"),
        ("(given.fixed, ~given.fixed.isnan())", "(given.fixed, given.fixed.isnan())", "what is decided is not heeded"),
        ("surprise = -mixture.log_prob(chunk[", "surprise = mixture.log_prob(chunk[", "demonstrations become unlikely"),
    ],
    ("heads/implicit.py", "heads/test_implicit.py"): [
        ("energies.argmin(1, keepdim=True)", "energies.argmax(1, keepdim=True)", "the worst chunk found is executed"),
        ("inside if fixed is None else decided(fixed, inside)", "inside", "a search moves what is decided"),
    ],
    ("heads/contrasting.py", "heads/test_contrasting.py"): [
        (
            "softplus(better - worse)",
            "softplus(worse - better)",
            "disturbed chunks win",
        ),
        ("(self.fine / self.coarse) ** times)", "self.fine / self.coarse)", "the clock does not tell the noise"),
        ("/ (1 + wave)", "", "smooth noise is white"),
    ],
    ("heads/search.py", "heads/test_implicit.py"): [
        ("(0.5 * slope + ", "(-0.5 * slope + ", "Langevin goes uphill"),
        ("self.shrink**k", "1", "derivative-free search scatters as far as at first"),
    ],
    ("heads/discretised.py", "heads/test_discretised.py"): [
        ("centres[bins] - offsets[rows, bins]", "centres[bins] + offsets[rows, bins]", "offsets are learned backwards"),
        (".masked_fill(~self.network.bins.there, -torch.inf)", "", "bins that are not there are drawn"),
    ],
    ("networks/bins.py", "heads/test_discretised.py"): [
        ("self.counts += fresh", "self.counts = fresh", "centres follow the last batch"),
        (">= ENOUGH * len(self.centres)", ">= torch.inf", "bins never come to rest"),
    ],
    ("heads/compiled.py", "policies/test_policy_compiled.py::test_a_graph_that_computes_something_else_is_not_used"): [
        ("if not difference <= tolerance", "if difference > tolerance", "compiled chunks may be NaN"),
    ],
    ("objectives/times.py", "objectives/test_times.py"): [
        ("(torch.arange(batch_size, device=device) + jitter) / batch_size", "jitter", "times are not stratified"),
        ("self.cutoff * (1 - q ** (1 / self.a))", "self.cutoff * q ** (1 / self.a)", "most times are near the data"),
    ],
    ("objectives/base.py", "objectives/test_gaussian_loss.py"): [
        ("error.square() * valid[..., None]", "error.square()", "padded actions are learned"),
        ("data = prediction.x1.clamp(-bound, bound)", "data = prediction.x1", "predicted data are not clipped"),
    ],
    ("objectives/shortcut.py", "objectives/test_shortcut.py"): [
        ("    @torch.no_grad()\n    def two_halves", "    def two_halves", "targets of jumps are trained, too"),
        ("alpha(t) * to_middle) * to_end", "alpha(t) * to_middle)", "the first half of a jump weighs too much"),
        ("self.finest < 1.5", "self.finest < 0.5", "steps of the finest grid are taken for jumps"),
    ],
    ("objectives/diffusers_path.py", "samplers/test_leading.py"): [
        ("self._position(t) - 1", "self._position(t)", "diffusers' time is one step off"),
    ],
    ("likelihood/flow.py", "likelihood/test_likelihood.py"): [
        ("(0.5 if level == 0 or last else 1.0)", "1.0", "the integral counts its ends twice"),
        ("data + 0.5 * (data - before)", "data", "the flow is followed with first order only"),
        ("(y - data).square()", "y.square()", "data are about 0 in the density at s_max"),
        ("with torch.inference_mode(False), torch.no_grad():", "with torch.no_grad():", "no figure in inference mode"),
    ],
    ("likelihood/trace.py", "likelihood/test_likelihood.py"): [
        ("traces.sum(0) if exact else traces.mean(0)", "traces.mean(0)", "an exact trace is a mean"),
        ("torch.Generator().manual_seed(seed)", "None", "signs are drawn from the global generator"),
    ],
    ("heads/imitation.py", "heads/test_imitation.py"): [
        ("said.x0 - x0", "said.x0 + x0", "the error of the noise has the wrong sign"),
        ("(error.square() * counted)", "error.square()", "actions that do not count are judged"),
    ],
    ("guidance/classifier_free.py", "guidance/test_classifier_free.py"): [
        ("self.weight * (seen.x1 - unseen.x1)", "self.weight * (unseen.x1 - seen.x1)", "the contrast is turned round"),
        ("situation.moved(seen, x1, x_t, t)", "Prediction(seen.x0, x1)", "the noise no longer explains x_t"),
    ],
    ("samplers/dpmpp_2m.py", "samplers/test_order.py"): [
        ("-0.5 * path.alpha(u)", "-path.alpha(u)", "the two-step rule corrects twice as much"),
    ],
    ("samplers/heun.py", "samplers/test_order.py"): [
        ("0.5 * span", "span", "Heun's correction is not halved"),
    ],
    ("samplers/langevin.py", "samplers/test_langevin.py"): [
        ("(2 * self.rate) ** 0.5 * sigma", "self.rate**0.5 * sigma", "Langevin steps are too cold"),
        ("path.with_data(said.x1, x, t).x0", "said.x0", "the noise of Langevin steps is lost between levels"),
    ],
    ("samplers/predictor_corrector.py", "samplers/test_langevin.py"): [
        (
            "self.correct(denoise, path, x, u, rng)",
            "self.correct(denoise, path, x, t, rng)",
            "corrected at the wrong time",
        ),
    ],
    ("samplers/ancestral.py", "samplers/test_gaussian_flow.py"): [
        ("step_variance.sqrt()", "step_variance", "a variance in place of a deviation"),
    ],
    ("samplers/base.py", "samplers/test_landing.py"): [
        ("return self.arrive(denoise, x, inner[-1], end)", "return x", "the last step is left out"),
    ],
    ("samplers/leading.py", "samplers/test_leading.py"): [
        ("1 - (k + 1) / trained for", "1 - k / trained for", "the leading grid is one step late"),
    ],
    ("networks/attention.py", "networks/test_transformers.py"): [
        ("device=q.device).triu(1)", "device=q.device).triu(2)", "a causal token sees the next one"),
    ],
    ("networks/attention.py", "networks/test_tokens.py"): [
        ("attn_mask=hidden", "attn_mask=None", "long memories are read where nothing is"),
        ("attend(q, k, v, valid=valid)", "attend(q, k, v)", "words that are not there are read"),
    ],
    ("networks/transformer.py", "networks/test_transformers.py"): [
        ("tokens + self.position + embedded_time", "tokens + embedded_time", "tokens do not know their place"),
    ],
    ("networks/dit.py", "networks/test_transformers.py"): [
        ("x = x + gate1 * self", "x = x + self", "a fresh block is no identity"),
        ("(1 + scale2) + shift2", "(1 + scale2) + shift1", "the MLP is shifted by attention's shift"),
    ],
    ("networks/unet1d.py", "networks/test_unet1d.py"): [
        ("hidden = scale * hidden + bias", "hidden = bias * hidden + scale", "FiLM's scale and bias are swapped"),
    ],
    ("networks/embeddings.py", "networks/test_end_time.py networks/test_step_times.py"): [
        ("return start + (length - nothing)", "return start + length", "a jump of no length changes the prediction"),
        ("(-1, patch_size)).mean(2)", "(-1, patch_size))[:, :, 0]", "a token has the time of its first action"),
    ],
    ("encoders/keypoints.py", "encoders/test_small_cnn.py"): [
        ("self.attention.weight.mul_(gains[0])", "pass", "attention starts flat"),
        ("linear.weight.mul_(gains[1])", "linear.weight.mul_(gains[0])", "the projection has attention's gain"),
    ],
    ("encoders/spatial_softmax.py", "encoders/test_spatial_softmax.py"): [
        ("torch.stack([x, y]", "torch.stack([y, x]", "x and y of keypoints are swapped"),
    ],
    ("encoders/resize.py", "encoders/test_resize.py"): [
        ("sums.add_(area // 2)", "sums", "shrunk pictures are rounded down"),
        (
            "ends, first = begins + length,",
            "ends, first = begins + length - 1,",
            "an area lacks a part of its last row",
        ),
        ("if longest <= resize", "if longest < 0", "small pictures are enlarged"),
    ],
    ("policies/pictures.py", "policies/test_policy_pictures.py"): [
        ("if not torch.isfinite(high - low)", "if False", "NaN in a picture is taken for black"),
    ],
    ("encoders/crop.py", "encoders/test_crop.py"): [
        ("(images.shape[-2] - height) // 2", "0", "the crop is at the top"),
    ],
    ("encoders/image.py", "encoders/test_observation.py"): [
        (
            "random_crop if self.training else centre",
            "centre_crop if self.training else random",
            "crops in use are random",
        ),
    ],
    ("encoders/patches.py", "encoders/test_picture_tokens.py"): [
        ("arange(steps - 1, -1, -1", "arange(0, steps, 1", "the oldest picture is taken for the newest"),
    ],
    ("encoders/pretrained.py", "encoders/test_frozen.py"): [
        ("self.trunk._apply(fn, recurse)", "pass", "a frozen trunk stays behind when the policy moves"),
    ],
    ("guidance/gradient.py", "guidance/test_gradient.py"): [
        ("chunks - self.strength", "chunks + self.strength", "guidance climbs the energy"),
    ],
    ("gradients.py", "guidance/test_gradient_jacobian.py"): [
        ("back(pull(x1 - moves))", "back(pull(x1))", "inner steps are all the same"),
    ],
    ("guidance/base.py", "guidance/test_guidance.py samplers/test_jump.py"): [
        ("x1 = x1.clamp(-self.bound, self.bound)", "pass", "guided data leave the bound"),
        ("flow_map(x, time, u)", "flow_map(x, time)", "a guided jump is a tangent"),
    ],
    ("energies/stay_above.py", "energies/test_energies.py"): [
        ("(-over if self.below else over)", "(over if self.below else -over)", "the limit is on the other side"),
        ("scene.now :", "scene.now + 1 :", "the current step may pass the limit"),
    ],
    ("energies/smoothness.py", "energies/test_energies.py"): [
        ("sum((2, 3)) / 2", "mean((2, 3))", "a mean, not a sum"),
        ("n=self.order", "n=2", "jerk is acceleration"),
    ],
    ("energies/constraint.py", "energies/test_energies.py"): [
        ("+ self.margin)", ")", "the margin is forgotten"),
        ("index + first", "index", "the wrong rule is called the worst"),
    ],
    ("energies/obstacles.py", "energies/test_energies.py"): [
        ("row[:, p, None, None] + self.clearance", "row[:, p, None, None]", "the robot has no size"),
        ("steps[:, None] *", "0 *", "nothing moves"),
        ("Violation(depth, -(", "Violation(depth, (", "the way out leads in"),
    ],
    ("energies/bounds.py", "energies/test_energies.py"): [
        ("positions - positions.new_tensor(self.high)", "positions.new_tensor(self.high) - positions", "upside down"),
    ],
    ("energies/speed.py", "energies/test_energies.py"): [
        ("self.limit / scene.substeps", "self.limit", "sub-steps may be as long as steps"),
    ],
    ("energies/group.py", "energies/test_energies.py"): [
        ("weight * energies[name]", "energies[name]", "weights are forgotten"),
    ],
    ("forward_maps/pusht.py", "forward_maps/test_forward_maps.py"): [
        ("-DT * K_P, 1 - DT * K_V", "-DT * K_P, 1 + DT * K_V", "the agent is not damped"),
        ("here - from_x", "here + from_x", "a velocity that is none"),
        ("index == 2 + step", "index == 2", "only the first action pushes"),
    ],
    ("forward_maps/base.py", "forward_maps/test_forward_maps.py"): [
        ("row[step - 1] = 1 - part", "row[step - 1] = part", "ways go back"),
    ],
    ("forward_maps/identity.py", "forward_maps/test_forward_maps.py"): [
        ("[1 - (k + 1)", "[(k + 1)", "the first way begins at its end"),
    ],
    ("projection/kaczmarz.py", "projection/test_projection.py"): [
        ("(depth + constraint.margin + self.margin)", "depth", "margins are forgotten"),
        ("along.square().sum((2, 3), keepdim=True)", "along.square().amax((2, 3), keepdim=True)", "steps too long"),
        (".clamp(-self.reach, self.reach)", "", "wild actions"),
        (
            "constraint.worst(start + gains @ moved, scene, first)",
            "constraint.worst(start + gains @ told, scene, first)",
            "always the rule that was broken first",
        ),
    ],
    ("selection/hold_mode.py", "selection/test_selection_hold.py"): [
        ("nan_to_num(0).amax(-1)", "nan_to_num(0).amin(-1)", "a chunk that is near the plan once is near"),
        ("far > self.radius, self.margin", "far <= self.radius, self.margin", "the plan's own mode must be better"),
        ("far > 0, self.near_margin", "far >= 0, self.near_margin", "the plan has no advance on its own mode"),
        ("2 * executed > chunk_length", "executed > chunk_length", "a plan of which nothing is left is to be held"),
    ],
    ("policies/holding.py", "policies/test_policy_hold.py"): [
        ("usable = left >= reach", "usable = left >= 0", "a plan is repeated beyond its end"),
        ("return length // steps * steps", "return steps", "chunks are judged where the policy looks next"),
        (
            "horizon, device=chunks.device) + executed - now",
            "horizon, device=chunks.device) - now",
            "the plan begins anew",
        ),
        ("torch.where(left > 0, left, length)", "length", "a plan that is held has no end"),
        ("tail, torch.nan)", "tail, tail)", "what was repeated counts as planned"),
        ("self.episode.planned = self", "self.episode.plans = self", "a plan is never released"),
    ],
    ("policies/planning.py", "policies/test_policy_hold.py"): [
        ("drawn if ahead", "ahead if ahead", "the plan is among the candidates it is compared with"),
    ],
    ("selection/coherent.py", "selection/test_selection.py"): [
        ("chunks[:, :, : tail.shape[1]]", "chunks[:, :, -tail.shape[1] :]", "the end is compared with the plan"),
    ],
    ("selection/bidirectional.py", "selection/test_selection_bidirectional.py"): [
        ("- apart(chunks, weak)", "+ apart(chunks, weak)", "near to the weak policy"),
        ("/ (kept.shape[1] - 1)", "/ kept.shape[1]", "a candidate counts as its own like"),
        ("_, weakest = self._most_coherent(candidates.contrast, tail)", "weakest = kept", "any weak chunks"),
    ],
    ("selection/ask.py", "selection/test_selection_ask.py"): [
        ("(candidates.weights > 0).sum(1) > 1", "(candidates.weights >= 0).sum(1) > 1", "asked where there is one way"),
    ],
    ("asking/person.py", "selection/test_selection_ask.py"): [
        ("self._asked.is_alive()", "False", "asked while busy"),
        ("0 <= number < count", "number < count", "a mode of the number -1"),
        ("if kind not in self._told:", "if True:", "warned each time"),
    ],
    ("asking/terminal.py", "selection/test_selection_ask.py"): [
        ("    termios.tcflush(place, termios.TCIFLUSH)\n", "", "what was typed before answers"),
    ],
    ("policies/asking.py", "policies/test_policy_ask.py"): [
        ("== modes[answer]", "== answer", "numbers of the question taken for those of the candidates"),
        ("keep[row] = ", "keep[:] = ", "one answer for all observations"),
    ],
    ("policies/narrowing.py", "policies/test_policy_choosing.py"): [
        (".masked_fill(members == 0, torch.inf)", "", "a mode represented by another's candidate"),
        ("torch.where(kept, place, among)", "among", "kept candidates change their place"),
    ],
    ("selection/densest.py", "selection/test_selection.py"): [
        (".sum(-1).argmin(1)", ".amax(-1).argmin(1)", "the candidate whose farthest neighbour is nearest"),
    ],
    ("selection/lowest_energy.py", "selection/test_selection.py dynamics/test_outcome.py"): [
        ("energy <= energy.amin(1", "energy < energy.amin(1", "without a tolerance nothing is good"),
    ],
    ("execution/agreement.py", "execution/test_execution.py"): [
        ("(disagree.cumsum(-1) == 0)", "(~disagree)", "rows behind a disagreement are executed"),
        ("int(agreed.min())", "int(agreed.max())", "the surest sample decides"),
    ],
    ("execution/ensemble.py", "execution/test_execution_ensemble.py"): [
        ("age = -self.m", "age = self.m", "the newest counts most"),
        (
            "counted = near[:, :, None] & planned",
            "counted = planned.expand(len(newest), -1, -1)",
            "any distance counts",
        ),
        (".square().sum(-1).mean(1).sqrt()", ".square().mean((1, 2)).sqrt()", "the distance of a coordinate"),
    ],
    ("policies/planning.py", "policies/test_policy_ensemble.py"): [
        ("plan[:, executed:] for plan", "plan[:, 1:] for plan", "a chunk begins a step later whatever was executed"),
        ("episode.chosen = episode.chosen._replace(chunks=chunk[:, None])", "pass", "the plan that was not executed"),
    ],
    ("surprise/conformal.py", "surprise/test_conformal.py"): [
        ("(count + 1) * (1", "count * (1", "the threshold forgets the further score"),
    ],
    ("surprise/strangeness.py", "surprise/test_scores.py"): [
        ("whitened.square().mean(0)", "centred.square().mean(1)", "strangeness knows no correlations"),
    ],
    ("surprise/distance.py", "surprise/test_scores.py"): [
        ("chunks[:, :, : tail.shape[1]]", "chunks[:, :, -tail.shape[1] :]", "the end is compared with the plan"),
    ],
    ("policies/planning.py", "policies/test_policy_watching.py"): [
        ("noise, episode.executed)", "noise, policy.config.n_action_steps)", "the tail begins where it does not"),
    ],
    ("auxiliary/base.py", "auxiliary/test_auxiliary.py"): [
        ("(self.each * self.weight).sum() / self.weight.sum().clamp_min(1)", "self.each.mean()", "an unweighted mean"),
    ],
    ("auxiliary/next_state.py", "auxiliary/test_auxiliary.py"): [
        ("values[:, -1], PATCHES", "values[:, 0], PATCHES", "the next state is predicted from the oldest one"),
        ("states[:, 1] - states[:, 0]", "states[:, 0] - states[:, 1]", "the change has the wrong sign"),
    ],
    ("auxiliary/dynamics/frames.py", "dynamics/test_frames.py"): [
        ("turned = here.hand * _wrapped(block", "turned = _wrapped(block", "a mirrored block's turn is not mirrored"),
        ("here.angle + here.hand * change", "here.angle + change", "predicted turns are not mirrored back"),
        ("10 * turned[:, :-1]", "10 * turned[:, 1:]", "the block's last turn is not looked at"),
    ],
    ("auxiliary/dynamics/ends/mixture.py", "dynamics/test_ends.py"): [
        ("shares.mT @ ends / weight", "ends.mean(0).expand(len(weight), -1)", "every goal is the mean of all"),
    ],
    ("auxiliary/dynamics/ends/kernel_ridge.py", "dynamics/test_conditional_ends.py"): [
        ("chosen = chosen * worth", "chosen = chosen * 0", "a goal does not depend on what is known"),
        ("(1 - hat).clamp_min(1e-6)[:, None]", "1", "errors are those of rows that were learned"),
    ],
    ("auxiliary/dynamics/ends/gaussian.py", "dynamics/test_outcome.py"): [
        (" + shift.square() * self.count * len(last) / total", "", "the spread between batches of ends is lost"),
        ("sqrt().clamp_min(FLOOR)", "sqrt()", "what always ends the same divides by zero"),
    ],
    ("auxiliary/dynamics/weighting.py", "dynamics/test_outcome.py"): [
        ("(UNKNOWN / spread).log()", "(spread / UNKNOWN).log()", "what ends anywhere counts most"),
    ],
    ("auxiliary/dynamics/outcome.py", "dynamics/test_outcome.py"): [
        ("min(scene.executed - 1, last)", "min(scene.executed, last)", "the distance is read one step late"),
        ("chunks[:, :, scene.now :]", "chunks", "past rows are judged as if to come"),
        ("over = ~real[:, -1]", "over = ~real[:, 0]", "only samples that begin at an end show one"),
        (".abs() * real[..., None]", ".abs()", "steps beyond the end are learned"),
    ],
    (
        "auxiliary/state_estimation/regression.py",
        "state_estimation/test_regression.py policies/test_policy_state_estimation.py",
    ): [
        (
            "torch.ones_like(each), rest)",
            "torch.ones_like(each), rest, value=1.0)",
            "what was not looked at dilutes the loss",
        ),
    ],
    ("augmentation/symmetrised.py", "augmentation/test_symmetrised.py"): [
        ("self._to(self.physical, key, value)", "value", "normalised values are mirrored as if they were pixels"),
        ("self.mirrored_back(images)], dim=1", "images], dim=1", "chunks of the mirrored half are not mirrored back"),
        ("torch.cat([value, images[key]])", "torch.cat([value, value])", "both halves see the same observation"),
    ],
    ("policies/readings.py", "policies/test_policy_readings.py"): [
        ("torch.arange(count) % sizes", "torch.arange(count) % 1 * sizes", "all candidates are of the first reading"),
        ("rows[window[DRAWN_FOR].flatten()]", "rows[window[DRAWN_FOR].T.flatten()]", "sentences of other candidates"),
        ("span.values[of]", "span.values[of.flip(0)]", "what one observation shows is said of another"),
        ("which - which[:, :1]", "which", "readings of a batch are numbered on"),
        ("        self.episode.mode = None\n", "        pass\n", "a choice among other sentences is kept"),
    ],
    ("policies/holding.py", "policies/test_policy_readings.py"): [
        (
            "chosen is None or chosen.mode is None else chosen.mode",
            "True else chosen.mode",
            "a plan is of the first reading",
        ),
    ],
    ("modes/readings.py", "modes/test_readings_as_modes.py"): [
        ("members == 0, torch.inf", "members == 1, torch.inf", "a reading is represented by another's candidate"),
    ],
    ("networks/attention.py", "networks/test_looking.py"): [
        (
            "(q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)\n    return",
            "q @ k.transpose(-2, -1)\n    return",
            "looks are sharper than attention is",
        ),
    ],
    ("networks/looking.py", "networks/test_looking.py"): [
        (
            "        for handle in handles:\n            handle.remove()",
            "        pass",
            "whoever has looked once slows every call",
        ),
    ],
    ("encoders/image.py", "encoders/test_picture_tokens.py"): [
        ("return cells * cells.new_tensor([columns, rows])", "return cells", "places are in cells, not in pixels"),
    ],
    ("modes/base.py", "modes/test_modes_found.py"): [
        ("rank.argsort(1, descending=True)", "rank.argsort(1)", "the lightest mode comes first"),
        (
            "distance.masked_fill(members == 0, torch.inf)",
            "distance",
            "a mode is represented by another one's candidate",
        ),
    ],
    ("modes/mixtures.py", "modes/test_mixtures.py"): [
        ("(scatter + towards)", "scatter", "covariances are not drawn towards the pooled one"),
        ("- log_volume", "", "the density of a wide component is that of a narrow one"),
        (
            "masked_fill(absent, -math.inf)",
            "masked_fill(absent, -1e3)",
            "components that are not there have candidates",
        ),
        ("points.square().sum(-1, keepdim=True)).mT", "1.0).mT", "starts look along arbitrary axes"),
    ],
    ("modes/gaussian_mixture.py", "modes/test_gaussian_mixture.py"): [
        ("- math.log(count) * parameters", "- 2 * parameters", "Akaike's criterion: noise has modes"),
        ("masked_fill(light[:, None], -math.inf)", "masked_fill(light[:, None], 0)", "light components are modes"),
        (
            "parameters = torch.arange(1, most + 1) *",
            "parameters = torch.arange(1, most + 1) ** 2 *",
            "modes are too dear",
        ),
        ("torch.maximum(width, floor)", "width", "what is flat is divided by nothing"),
    ],
    ("augmentation/pusht_mirror.py", "augmentation/test_pusht_mirror.py"): [
        ("(1, 0, 3, 2, 5, 4, 7, 6)", "(0, 1, 2, 3, 4, 5, 6, 7)", "mirrored keypoints keep their order"),
        ("value.flip(-2, -1).transpose", "value.transpose", "pictures are mirrored on the other diagonal"),
        ("torch.minimum(low, mirror(key, high))", "torch.minimum(low, mirror(key, low))", "bounds are not swapped"),
    ],
    ("augmentation/color_jitter.py", "augmentation/test_color_jitter.py"): [
        ("((1 - c) * b)[:, None]", "(1 - c)[:, None]", "the mean is not made brighter"),
    ],
    ("policies/windows.py", "policies/test_policy_windows.py"): [
        ("range(1 - self.n_obs_steps, 1 - self", "range(2 - self.n_obs_steps, 2 - self", "actions are one step late"),
        ("self.stride * self.observation_stride * step", "self.observation_stride * step", "strides do not multiply"),
    ],
    ("policies/windows.py", "policies/test_policy_loss.py policies/test_policy_dynamics.py"): [
        ("valid = ~batch[ACTION", "valid = batch[ACTION", "only padding is learned"),
        ("real = real & ~_frames", "real = real & _frames", "only observations beyond the end are real"),
    ],
    ("policies/recipe.py", "policies/test_policy_dynamics.py policies/test_policy_inference.py"): [
        ("config.n_obs_steps - 1, executed or", "config.n_obs_steps, executed or", "now is one row late"),
        (
            "executed or config.n_action_steps",
            "executed or config.horizon",
            "energies believe that the whole chunk is executed",
        ),
    ],
    ("policies/taking_turns.py", "policies/test_policy_taking_turns.py"): [
        ("with TURN:", "if TURN:", "threads get each other's observation"),
    ],
    ("policies/recipe.py", "policies/test_policy_inference_mode.py"): [
        ("asks or not isinstance", "not isinstance", "in inference mode guidance finds no gradient"),
    ],
    ("policies/candidates.py", "policies/test_policy_dynamics.py policies/test_policy_inference.py"): [
        ("if not recipe.deterministic:", "if False:", "equal noise means other actions"),
        ("config.noise_scale * fresh_noise", "fresh_noise", "the noise's scale is not used"),
    ],
    ("real_time/base.py", "real_time/test_real_time.py"): [
        ("/ (overlap + 1)", "/ overlap", "the mask falls too late"),
        ("if step < delay:", "if step <= delay:", "a step more is decided"),
    ],
    ("real_time/guided.py", "real_time/test_real_time.py"): [
        ("tau = alpha / (alpha + sigma)", "tau = alpha", "every path has the clock of the straight one"),
        ("share * scale)", "share)", "the network's scale of x_t is forgotten"),
        (".clamp_max(1)", "", "the data end moves past the plan"),
        ("mask * (x1 - plan)", "mask * (plan - x1)", "chunks flee the plan"),
    ],
    ("real_time/automatic.py", "real_time/test_real_time.py"): [
        ("if max_delay else", "if not max_delay else", "a network is shown what it was not trained for"),
    ],
    ("heads/showing.py", "real_time/test_real_time.py"): [
        ("torch.where(which, self.time", "torch.where(~which, self.time", "what is noisy is called clean"),
        ("which.repeat(again, 1)", "which.repeat_interleave(again, 0)", "rows are shown others' prefixes"),
    ],
    ("policies/statistics.py", "policies/test_statistics.py"): [
        (".numpy().copy() if", ".numpy() if", "statistics are read from memory that a worker's start frees"),
    ],
    ("policies/timing.py", "policies/test_policy_windows.py"): [
        ("config.max_delay and config.mask_padded_actions", "config.mask_padded_actions", "no end is ever left out"),
        ("if config.max_delay and config.mask_padded_actions", "if False", "a late policy never sees an end"),
    ],
    ("policies/continuing.py", "policies/test_policy_real_time.py"): [
        ("- past.shape[1]\n    committed", "\n    committed", "decided steps begin in the past"),
        ("decided(known, drawn.chunks)", "drawn.chunks", "what is decided is drawn anew"),
    ],
    ("policies/real_time.py", "policies/test_policy_real_time.py"): [
        ("delay = min(delay, executed)", "pass", "the slowest call counts for ever"),
        ("plan[:, found:]", "plan", "the plan begins anew"),
        ("not rest[:, count:].any()", "True", "zeros are taken for actions"),
        (
            "episode.history.glance(batch, executed)",
            "episode.history.glance(batch, 1)",
            "frames a chunk apart are neighbours",
        ),
    ],
    ("policies/chunk_model.py", "policies/test_policy_loss.py"): [
        ("Tokens, tile_rows", "Tokens, repeat_rows as tile_rows", "draws of a loss see other samples' observations"),
        (
            "head.error(condition, chunks, counted, shown).unflatten(0, (draws, -1)).mean(0)",
            "head.error(condition, chunks, counted, shown).unflatten(0, (draws, -1)).sum(0)",
            "draws are summed",
        ),
    ],
    ("policies/chunk_model.py", "policies/test_policy_real_time.py"): [
        ("counted = counted & ~shown", "counted = counted", "what is shown counts as learned"),
        ("(torch.rand(first.shape, device=chunks.device) < 0.5)", "1", "every chunk shows what is decided"),
        ("(most_shown + 1, (len", "(most_shown, (len", "the longest prefix is never shown"),
    ],
    ("policies/chunk_model.py", "policies/test_policy_state_estimation.py"): [
        (
            "{**measured, **began, **estimator(pictures)}",
            "{**estimator(pictures), **measured, **began}",
            "it acts on what it is told",
        ),
    ],
    ("networks/padded.py", "policies/test_policy_robots.py"): [
        ("(x_t * there, time", "(x_t, time", "noise of what a robot lacks reaches the network"),
    ],
    ("networks/lora.py", "networks/test_pretrained_backbone.py"): [
        ("torch.zeros(outputs, rank)", "torch.ones(outputs, rank)", "a backbone does not start as it was"),
    ],
    ("policies/history.py", "policies/test_history.py"): [
        ("{age + since: frame", "{age + 1: frame", "every frame is taken to be one step old"),
        ("age + since <= self._ages[0]", "age + since < self._ages[0]", "the oldest frame is forgotten"),
        (
            "batch[key].clone() for key in self._shapes",
            "batch[key] for key in self._shapes",
            "what was seen changes with the robot's buffers",
        ),
    ],
    ("refinement/gradient.py", "refinement/test_refinement.py"): [
        ("self.anchor * (moved - chunks)", "self.anchor * moved", "the anchor pulls to zero"),
        ("after < before", "after == after", "a chunk is made worse"),
    ],
    ("policies/settling.py", "policies/test_policy_steering_faults.py"): [
        (".abs() <= FURTHEST", ".abs() >= 0", "a chunk leaps"),
    ],
    ("policies/mirroring.py", "policies/test_policy_symmetrise.py"): [
        (
            "energy(true.together(chunks), scene)",
            "energy(torch.cat(chunks.chunk(2), 1), scene)",
            "guidance sees mirror images",
        ),
        ("mirror.mirrored_back(second)", "second", "what is fixed is not mirrored"),
    ],
    ("guidance/diffuser.py", "guidance/test_diffuser.py"): [
        ("variance * slope", "slope", "means move without regard to the variance"),
    ],
    ("policies/planning.py", "policies/test_policy_inference.py"): [
        ("now = config.n_obs_steps - 1", "now = 0", "a chunk's past rows are executed"),
    ],
    ("policies/candidates.py", "policies/test_policy_inference.py"): [
        ("return plan[:, executed:]", "return plan", "the executed part of the plan is compared with, too"),
    ],
    ("policies/policy.py", "policies/test_policy_loss.py policies/test_policy_dynamics.py"): [
        ("self._averaged_model if held_out", "self.model if held_out", "held-out losses are of the raw weights"),
        ("self.ema.update_parameters(self.model)", "pass", "the average does not move"),
    ],
    ("policies/batch_loss.py", "policies/test_policy_loss.py policies/test_policy_dynamics.py"): [
        (
            "slice(config.n_obs_steps - 1, config.n_obs_steps - 1 +",
            "slice(0,",
            "the executed part is counted from the past",
        ),
        ("further.values()), start=chunks.mean)", "{}.values()), start=chunks.mean)", "what is beside is not learned"),
    ],
    ("policies/policy.py", "policies/test_policy_training_rules.py"): [
        ("checkpoint.learn_units(", "(lambda *_: None)(", "units are not learned from the dataset"),
    ],
}

MUTANTS = [
    Mutant(f"lerobot_dp_plus/{file}", old, new, breaks, tuple(f"tests/{test}" for test in tests.split()))
    for (file, tests), faults in TABLE.items()
    for old, new, breaks in faults
]
