from orchestration_assets.cli.app import main

main()
