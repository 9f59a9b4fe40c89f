"""pullquote push: a model directory to the Hugging Face hub."""

from __future__ import annotations

import click


@click.command(
    "push",
    epilog="""Example:

\b
  pullquote push ./run me/tiny --private
""",
)
@click.argument("model_dir")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="A new repository is seen by you alone.")
@click.option(
    "--message",
    default="Upload a pullquote model",
    show_default=True,
    metavar="TEXT",
    help="Of the commit.",
)
def command(model_dir: str, repository: str, private: bool, message: str) -> None:
    """Upload a model directory with its card to the Hugging Face hub.

    The repository is made if there is none. Sign in before, with `hf auth login` or HF_TOKEN.
    Needs the extra: pip install "pullquote[hub]".
    """
    from pullquote.publishing.push import push

    click.echo(push(model_dir, repository, private=private, message=message))
