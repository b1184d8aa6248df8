from speecht5_cli.main import main

main()
