"""What the help of the commands says beside their flags."""

EXAMPLES = """\
examples:
  actlab demo
  actlab train ppo --task CartPole-v1 --steps 200k
  actlab compare sac dqn --task Pendulum-v1 --code normalise --code normalise+bins:bins=7 --seeds 5 --steps 20k
  actlab report runs/NAME
  actlab sweep ppo --task CartPole-v1 --vary learning_rate=1e-4..1e-2:log --seeds 3 --steps 50k
  actlab suggest CartPole-v1 --budget 200k
  actlab video runs/NAME
  actlab export runs/NAME --out policy --format onnx

Agents are written ppo or ppo:learning_rate=1e-3,epochs=4; codes normalise+coarse-to-fine:levels=2,bins=7.
`actlab COMMAND --help` shows the flags of a command.
"""

COMPLETION_NOTE = " Bash, for example: actlab completion bash > ~/.local/share/bash-completion/completions/actlab"

SWEEP_NOTE = """

Every setting is trained with the same seeds. Options that are real numbers share one compilation, so many of their
values cost little more than their training; other options (widths, numbers of environments) are compiled for each
value. The best of many settings is optimistic: the last line is the command that trains it again with fresh seeds."""

SWEEP_EXAMPLES = """\
examples:
  actlab sweep ppo --task CartPole-v1 --vary learning_rate=1e-4..1e-2:log --grid 6
  actlab sweep sac:width=64 --task Pendulum-v1 --code normalise --steps 10k --seeds 3 --random 16 \\
      --vary learning_rate=1e-4..3e-3:log --vary target_rate=0.001..0.05:log --vary batch_size=64,256

The same command goes on with a sweep that was stopped, and more seeds or values train only what is new.
`actlab agents AGENT` lists what can be varied.
"""

SUGGEST_NOTE = """

The candidates are pairs of agent and code chosen by the kind of action space; those that do not fit are named with
their reasons. Successive halving: all are trained briefly with two seeds, the better half longer and with more seeds,
until two are left. The ranking says how sure it is, and which command trains the winner for real."""

SUGGEST_EXAMPLES = """\
examples:
  actlab suggest CartPole-v1 --budget 200k
  actlab suggest Pendulum-v1 --budget 20m --agent sac --agent td3 --code normalise --code normalise+bins:bins=7

The same command goes on with a suggestion that was stopped. Runs that `actlab compare` has trained are used.
"""

VIDEO_NOTE = """

Plays episodes, and writes three of them into one file. Beside the picture a panel shows what the agent chose: the
code and the native action that it stands for, with what was allowed (shaded) and what was not (grey), the reward and
the return so far. An .mp4 needs the extra `video`; a .gif needs nothing more."""

VIDEO_EXAMPLES = """\
examples:
  actlab video runs/NAME
  actlab video runs/NAME --episodes 30 --sampled --out sampled.gif

Without a display MuJoCo draws by EGL; where that is missing: MUJOCO_GL=osmesa actlab video RUN
"""

WEB_NOTE = """

Prints its address and answers there until Ctrl-C: systems and their claims, runs that can be started, watched,
stopped and compared, and a laboratory for codes. Only this machine can reach it; what it starts goes on without it.
Needs the extra `web`."""
