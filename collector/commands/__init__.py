"""
The commands of ``scenetrail``, one module for each subject; ``cli`` puts them together.

A command only reads arguments, calls the module that does the work and shows the outcome. It imports that module when it
runs, so that ``--help`` answers at once. ``options`` are those that several take, ``reach`` finds what they work on,
``outcome`` ends them.
"""
